"""Groups of tools: what is active, and how the model chooses."""

from typing import Any

import msgspec
import pytest

from agentsvc.agent.groups import ToolGroup
from agentsvc.agent.permissions import decide
from agentsvc.agent.skills import Skill
from agentsvc.agent.tool import FunctionTool, ToolChunk
from agentsvc.agent.toolkit import Toolkit
from agentsvc.domain.permissions import PermissionContext
from agentsvc.domain.states import AgentState, ToolContext
from tests.agent.calls import call, text_of


def named(name: str) -> FunctionTool:
    async def said() -> str:
        return name

    return FunctionTool(said, name)


def toolkit() -> Toolkit:
    web = ToolGroup("web", "Look things up.", "Prefer fetch.", [named("fetch"), named("find")])
    mail = ToolGroup("mail", "Read and send mail.", tools=[named("send")])
    return Toolkit([named("hello")], [web, mail])


def state(*groups: str) -> AgentState:
    return AgentState(session_id="s1", tool_context=ToolContext(activated_groups=list(groups)))


async def names(kit: Toolkit, of: AgentState) -> list[str]:
    return [schema.name for schema in (await kit.snapshot(of)).schemas]


async def run(kit: Toolkit, of: AgentState, name: str, **arguments: Any) -> ToolChunk:
    (chunk,) = [each async for each in kit.run(call(name, msgspec.json.encode(arguments).decode()), of)]
    return chunk


async def test_what_has_no_group_is_always_active_and_the_rest_when_it_is_chosen():
    kit = toolkit()

    assert await names(kit, state()) == ["hello", "reset_tools"]
    assert await names(kit, state("mail")) == ["hello", "reset_tools", "send"]
    assert await names(kit, state("mail", "web")) == ["hello", "reset_tools", "fetch", "find", "send"]
    assert (await kit.snapshot(state("mail", "web"))).groups == ("web", "mail")


async def test_a_group_that_is_no_more_is_ignored():
    assert await names(toolkit(), state("gone")) == ["hello", "reset_tools"]


async def test_without_groups_there_is_nothing_to_choose():
    assert await names(Toolkit([named("hello")]), state()) == ["hello"]


async def test_resetting_sets_the_whole_choice():
    kit, of = toolkit(), state("web")

    chunk = await run(kit, of, "reset_tools", mail=True)
    assert of.tool_context.activated_groups == ["mail"]
    assert await names(kit, of) == ["hello", "reset_tools", "send"]
    assert text_of([chunk]) == "Active groups of tools: mail."

    chunk = await run(kit, of, "reset_tools", mail=False)
    assert of.tool_context.activated_groups == []
    assert "No group" in text_of([chunk])


async def test_resetting_tells_the_instructions_of_what_is_active():
    told = text_of([await run(toolkit(), state(), "reset_tools", web=True, mail=True)])

    assert "web, mail" in told
    assert '<tool-instructions>\n<group name="web">\nPrefer fetch.\n</group>\n</tool-instructions>' in told


async def test_resetting_leaves_what_else_is_remembered_of_tools():
    of = state()
    of.tool_context = ToolContext(max_cache_files=7)

    await run(toolkit(), of, "reset_tools", web=True)

    assert of.tool_context == ToolContext(max_cache_files=7, activated_groups=["web"])


@pytest.mark.parametrize(("arguments", "reason"), [({"sms": True}, "'sms'"), ({"web": "yes"}, "web"), ({"web": 1}, "")])
async def test_an_unknown_group_and_a_choice_that_is_no_boolean_are_errors(arguments, reason):
    of = state("mail")

    chunk = await run(toolkit(), of, "reset_tools", **arguments)

    assert chunk.state == "error"
    assert reason in text_of([chunk])
    assert of.tool_context.activated_groups == ["mail"]


async def test_the_choice_is_described_by_group():
    tool = (await toolkit().snapshot(state())).get("reset_tools")

    assert tool is not None
    assert tool.input_schema["properties"]["web"] == {
        "type": "boolean",
        "default": False,
        "description": "Look things up.",
    }
    assert tool.input_schema.get("required") is None


@pytest.mark.parametrize(("mode", "behavior"), [("default", "allow"), ("dont_ask", "allow"), ("explore", "deny")])
async def test_choosing_runs_unasked_but_not_where_nothing_may_change(mode, behavior):
    tool = (await toolkit().snapshot(state())).get("reset_tools")
    assert tool is not None

    context = PermissionContext(mode=mode)
    assert decide(tool.name, await tool.check_permissions({}, context), context).behavior == behavior


async def test_a_call_to_what_is_not_active_is_told_how_to_activate_it():
    kit, of = toolkit(), state("mail")

    chunk = await run(kit, of, "fetch")

    assert chunk.state == "error"
    assert "'web'" in text_of([chunk])
    assert 'reset_tools with {"mail":true,"web":true}' in text_of([chunk])
    await run(kit, of, "reset_tools", mail=True, web=True)
    assert text_of([await run(kit, of, "fetch")]) == "fetch"


async def test_skills_of_what_is_not_active_are_hidden():
    chess = Skill(name="chess", description="Play.", dir="/chess", markdown="Castle early.")
    kit = Toolkit(groups=[ToolGroup("games", "Play games.", skills=[chess])])

    hidden = await kit.snapshot(state())
    assert hidden.skills == ""
    assert hidden.get("Skill") is None

    shown = await kit.snapshot(state("games"))
    assert "chess" in shown.skills
    assert text_of([await run(kit, state("games"), "Skill", skill="chess")]).endswith("Castle early.")


@pytest.mark.parametrize(
    ("name", "description", "reason"),
    [
        ("basic", "x", "'basic'"),
        ("a b", "x", "cannot name a group"),
        ("", "x", "cannot name"),
        ("a", " ", "description"),
    ],
)
def test_a_group_needs_a_name_of_its_own_and_a_description(name, description, reason):
    with pytest.raises(ValueError, match=reason):
        ToolGroup(name, description)


def test_names_are_given_once():
    with pytest.raises(ValueError, match="two groups are named 'a'"):
        Toolkit(groups=[ToolGroup("a", "x"), ToolGroup("a", "y")])
    with pytest.raises(ValueError, match="two tools are named 'hello'"):
        Toolkit([named("hello")], [ToolGroup("a", "x", tools=[named("hello")])])


@pytest.mark.parametrize("name", ["reset_tools", "Skill", "GenerateStructuredOutput"])
def test_the_names_of_the_toolkits_own_tools_are_reserved(name):
    with pytest.raises(ValueError, match="reserved"):
        Toolkit([named(name)])
    with pytest.raises(ValueError, match="reserved"):
        Toolkit().add_tool(named(name))
