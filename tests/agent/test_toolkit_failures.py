"""Calls that go wrong: what the model is told."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentsvc.agent.tool import FunctionTool, ToolBase, ToolChunk, tool
from agentsvc.agent.toolkit import Toolkit
from agentsvc.domain.messages import TextBlock
from tests.agent.calls import failure, run, text_of

ANYTHING: dict[str, Any] = {"type": "object", "properties": {}}


@tool
async def greet(name: str, times: int = 1) -> str:
    """Greet somebody."""
    return " ".join([f"hello {name}"] * times)


def raising(error: BaseException) -> FunctionTool:
    async def fail() -> None:
        raise error

    return FunctionTool(fail)


async def test_an_unknown_tool_is_answered_with_the_closest_names():
    @tool
    def read_file() -> None: ...

    toolkit = Toolkit([greet, read_file])

    assert "'read-file'" in await failure(toolkit, "read-file")
    assert "names are: read_file" in await failure(toolkit, "read-file")
    assert "There are no tools" in await failure(Toolkit(), "greet")
    assert len(await failure(toolkit, "x" * 100_000)) < 300


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello there", "cannot be read"),
        ("[1, 2]", "must be a JSON object"),
        ('{"name": 5}', 'name: 5 is not of type "string"'),
        ('{"times": 2}', '"name" is a required property'),
        ('{"name": "Ada", "tone": "loud"}', "'tone' was unexpected"),
    ],
)
async def test_bad_arguments_are_answered_with_the_reason_and_the_input(text, reason):
    answer = await failure(Toolkit([greet]), "greet", text)

    assert reason in answer
    assert text in answer
    assert "greet" in answer


async def test_arguments_that_only_the_function_can_judge_are_answered_the_same_way():
    @tool
    def since(when: datetime) -> str:
        return str(when)

    answer = await failure(Toolkit([since]), "since", '{"when": "yesterday"}')

    assert "$.when" in answer
    assert '{"when": "yesterday"}' in answer


async def test_long_bad_input_is_quoted_shortened():
    assert len(await failure(Toolkit([greet]), "greet", '{"tone": "' + "x" * 200_000 + '"}')) < 3_000


@given(st.text())
@settings(deadline=None)
def test_no_input_makes_a_run_raise(text):
    chunks = asyncio.run(run(Toolkit([greet]), "greet", text))

    assert chunks


async def test_a_tool_with_an_unusable_schema_fails_only_when_it_is_called():
    broken = FunctionTool(greet.function, name="broken")
    broken.input_schema = {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/x.json"}}}
    toolkit = Toolkit([greet, broken])

    assert "schema is not valid" in await failure(toolkit, "broken", "{}")
    assert text_of(await run(toolkit, "greet", '{"name": "Ada"}')) == "hello Ada"


async def test_what_a_tool_raises_is_answered_and_logged(caplog):
    answer = await failure(Toolkit([raising(ValueError("out of paper"))]), "fail")

    assert "ValueError: out of paper" in answer
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert caplog.records[0].exc_info


async def test_what_a_group_of_errors_holds_is_answered():
    group = ExceptionGroup("both", [ValueError("one"), ExceptionGroup("more", [KeyError("two")])])

    answer = await failure(Toolkit([raising(group)]), "fail")

    assert "ValueError: one; KeyError: 'two'" in answer


async def test_a_long_error_is_shortened():
    assert len(await failure(Toolkit([raising(ValueError("x" * 1_000_000))]), "fail")) < 3_000


@pytest.mark.parametrize("plain", [True, False])
async def test_a_tool_that_asks_the_process_to_exit_only_fails(plain):
    def leave() -> None:
        raise SystemExit(3)

    async def go() -> None:
        raise SystemExit(3)

    answer = await failure(Toolkit([FunctionTool(leave if plain else go, name="leave")]), "leave")

    assert "SystemExit: 3" in answer


async def test_what_came_before_a_failure_stays():
    @tool
    async def halfway() -> AsyncIterator[str]:
        yield "half"
        raise ValueError("stuck")

    first, last = await run(Toolkit([halfway]), "halfway")

    assert (text_of([first]), first.state) == ("half", "running")
    assert last.state == "error"


class Odd(ToolBase):
    """Gives whatever it was made with."""

    name = "odd"
    description = ""
    input_schema = ANYTHING

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def call(self, **kwargs: Any) -> Any:
        return self.answer


@pytest.mark.parametrize(
    "answer",
    [
        "text",
        None,
        ToolChunk(metadata={"handle": object()}),
        ToolChunk(content=["text"]),  # type: ignore[list-item]
        ToolChunk(content=[TextBlock(text="\ud800")]),
        ToolChunk(state="fine"),  # type: ignore[arg-type]
    ],
)
async def test_what_cannot_be_stored_is_a_failure_of_the_tool(answer):
    assert "odd failed" in await failure(Toolkit([Odd(answer)]), "odd")


async def test_an_external_tool_is_not_carried_out_here():
    class Remote(ToolBase):
        name = "remote"
        description = ""
        input_schema = ANYTHING
        is_external_tool = True

    assert "cannot be called here" in await failure(Toolkit([Remote()]), "remote")


async def test_a_cancellation_that_nobody_asked_for_is_a_failure_of_the_tool():
    @tool
    async def lean_on_another() -> None:
        other = asyncio.create_task(asyncio.Event().wait())
        other.cancel()
        await other

    assert "CancelledError" in await failure(Toolkit([lean_on_another]), "lean_on_another")
