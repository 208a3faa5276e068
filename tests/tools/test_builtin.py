"""The set of tools of a workspace, as a model is told of it."""

import msgspec
import pytest

from agentsvc.agent.arguments import ArgumentSchema, BadArguments
from agentsvc.tools.builtin import workspace_tools


@pytest.fixture
def tools(backend):
    return workspace_tools(backend, shell=True)  # noqa: S604 - a tool, not a call


def test_the_shell_is_there_only_when_it_is_asked_for(backend, tools):
    assert [tool.name for tool in workspace_tools(backend, shell=False)] == ["Read", "Write", "Edit", "Glob", "Grep"]
    assert [tool.name for tool in tools] == ["Bash", "Read", "Write", "Edit", "Glob", "Grep"]


def test_what_a_model_is_told_is_short(tools):
    schemas = [tool.schema for tool in tools]

    # Four characters make a token, in JSON rather fewer.
    assert len(msgspec.json.encode(schemas)) / 3.5 < 1_500


def test_only_what_keeps_nothing_of_a_call_may_run_side_by_side(tools):
    safe = {tool.name for tool in tools if tool.is_concurrency_safe}

    assert safe == {"Read", "Glob", "Grep"}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Read", {"file_path": "a", "limit": 2_001}),
        ("Read", {"file_path": "a", "offset": 0}),
        ("Read", {"file_path": ""}),
        ("Bash", {"command": "ls", "timeout": 600_001}),
        ("Grep", {"pattern": "x", "output_mode": "lines"}),
        ("Glob", {}),
        ("Edit", {"file_path": "a", "old_string": "x"}),
    ],
)
def test_arguments_out_of_bounds_are_not_accepted(tools, name, arguments):
    [tool] = [tool for tool in tools if tool.name == name]

    with pytest.raises(BadArguments):
        ArgumentSchema(tool.input_schema).check(arguments)
