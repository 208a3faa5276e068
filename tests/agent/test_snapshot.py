"""The picture of what is active: made again only when something has changed."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from agentsvc.agent.arguments import ArgumentSchema, BadArguments
from agentsvc.agent.groups import ToolGroup
from agentsvc.agent.skills import Skill, SkillLoaderBase
from agentsvc.agent.tool import FunctionTool, ToolBase
from agentsvc.agent.toolkit import Toolkit, Tools, UnknownTool
from agentsvc.domain.states import AgentState, ToolContext
from tests.agent.calls import call


def named(name: str) -> FunctionTool:
    async def said(word: str = "") -> str:
        return name + word

    return FunctionTool(said, name)


class Source:
    """Counts its listings; fails as often as it is told to."""

    def __init__(self, *tools: ToolBase, failures: int = 0) -> None:
        self.version = 1
        self.trusted = True
        self.listed = 0
        self.given: Sequence[ToolBase] = tools
        self.failures = failures

    async def tools(self) -> Sequence[ToolBase]:
        self.listed += 1
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise ConnectionError("nobody there")
        return list(self.given)


class Loader(SkillLoaderBase):
    def __init__(self, *names: str) -> None:
        self.names = names
        self.listed = 0

    async def list_skills(self) -> Sequence[Skill]:
        self.listed += 1
        return [Skill(name=name, description="...", dir=f"/{name}", markdown=name) for name in self.names]


def state(*groups: str) -> AgentState:
    return AgentState(session_id="s1", tool_context=ToolContext(activated_groups=list(groups)))


def names(tools: Tools) -> list[str]:
    return [schema.name for schema in tools.schemas]


async def test_a_round_without_a_change_lists_nothing_and_gets_the_same_picture():
    source, loader = Source(named("far")), Loader("chess")
    kit = Toolkit([named("near"), source], [ToolGroup("g", "More.", tools=[named("more")])], [loader])

    first = await kit.snapshot(state("g"))
    again = [await kit.snapshot(state("g")) for _ in range(20)]

    assert names(first) == ["near", "far", "Skill", "reset_tools", "more"]
    assert all(each is first for each in again)
    assert (source.listed, loader.listed) == (1, 1)


async def test_a_source_of_a_group_is_asked_once_the_group_is_active():
    source = Source(named("far"))
    kit = Toolkit(groups=[ToolGroup("g", "More.", tools=[source])])

    await kit.snapshot(state())
    assert source.listed == 0

    assert names(await kit.snapshot(state("g"))) == ["reset_tools", "far"]
    closed = await kit.snapshot(state())
    assert names(await kit.snapshot(state("g"))) == ["reset_tools", "far"]
    assert source.listed == 1
    with pytest.raises(UnknownTool, match="'g'"):
        closed.prepare(call("far"))


async def test_a_source_with_a_new_version_is_asked_again():
    source = Source(named("one"))
    kit = Toolkit([source])
    first = await kit.snapshot(state())

    source.version, source.given = 2, [*source.given, named("two")]
    second = await kit.snapshot(state())

    assert (names(first), names(second)) == (["one"], ["one", "two"])
    assert source.listed == 2


async def test_a_new_version_with_the_same_tools_changes_nothing():
    source = Source(named("one"))
    kit = Toolkit([source])
    first = await kit.snapshot(state())

    source.version = 2

    assert await kit.snapshot(state()) is first
    assert source.listed == 2


async def test_added_and_removed_tools_are_seen_and_an_older_picture_stays_as_it_was():
    kit = Toolkit([named("one")], [ToolGroup("g", "More.")])
    first = await kit.snapshot(state("g"))

    kit.add_tool(named("two"), "g")
    kit.add_tool(other := named("one"))
    kit.remove_tool("nothing")
    second = await kit.snapshot(state("g"))
    kit.remove_tool("one")
    third = await kit.snapshot(state("g"))

    assert names(first) == ["one", "reset_tools"]
    assert names(second) == ["one", "reset_tools", "two"]
    assert second.get("one") is other
    assert names(third) == ["reset_tools", "two"]
    assert first.get("one") is not None
    with pytest.raises(KeyError):
        kit.add_tool(named("three"), "none")


async def test_skills_are_looked_for_once_a_turn():
    loader = Loader("chess")
    kit = Toolkit(skills=[loader])
    first = await kit.snapshot(state())

    loader.names = ("chess", "go")
    assert await kit.snapshot(state()) is first

    kit.refresh()
    second = await kit.snapshot(state())
    assert "<name>go</name>" not in first.skills
    assert "<name>go</name>" in second.skills

    kit.refresh()
    assert await kit.snapshot(state()) is second
    assert loader.listed == 3


async def test_a_source_that_fails_is_left_out_until_the_next_turn(caplog):
    source = Source(named("far"), failures=1)
    kit = Toolkit([named("near"), source])

    assert names(await kit.snapshot(state())) == ["near"]
    assert names(await kit.snapshot(state())) == ["near"]
    assert source.listed == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]

    kit.refresh()
    assert names(await kit.snapshot(state())) == ["near", "far"]
    kit.refresh()
    assert names(await kit.snapshot(state())) == ["near", "far"]
    assert source.listed == 2


async def test_sources_are_asked_side_by_side():
    meeting = asyncio.Barrier(2)

    class Meeting(Source):
        async def tools(self) -> Sequence[ToolBase]:
            async with asyncio.timeout(10):
                await meeting.wait()
            return await super().tools()

    kit = Toolkit([Meeting(named("one")), Meeting(named("two"))])

    assert names(await kit.snapshot(state())) == ["one", "two"]


async def test_a_listing_that_is_cancelled_is_done_again():
    class Slow(Source):
        async def tools(self) -> Sequence[ToolBase]:
            if not self.listed:
                self.listed += 1
                await asyncio.Event().wait()
            return await super().tools()

    kit = Toolkit([Slow(named("far"))])

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await kit.snapshot(state())

    assert names(await kit.snapshot(state())) == ["far"]


async def test_what_comes_from_outside_replaces_nothing_and_breaks_nothing(caplog):
    twin, odd, fine = named("near"), named("fine"), named("fine2")
    odd.name = "not a name"
    source = Source(twin, odd, named("Skill"), named("hidden"), fine)
    kit = Toolkit([source, near := named("near")], [ToolGroup("g", "More.", tools=[named("hidden")])])

    tools = await kit.snapshot(state())

    assert names(tools) == ["near", "fine2", "reset_tools"]
    assert tools.get("near") is near
    assert len(caplog.records) == 4


async def test_what_is_neither_a_tool_nor_a_source_is_refused():
    with pytest.raises(TypeError, match="neither a tool nor a source"):
        Toolkit([print])  # type: ignore[list-item] # what is refused


async def test_a_call_is_prepared_before_it_runs():
    tools = await Toolkit([one := named("one")]).snapshot(state())

    prepared = tools.prepare(call("one", '{"word": "!",}'))

    assert prepared.tool is one
    assert prepared.arguments == {"word": "!"}
    chunks = [chunk async for chunk in tools.run(prepared, state())]
    assert [block.text for chunk in chunks for block in chunk.content] == ["one!"]  # type: ignore[union-attr]


async def test_a_call_that_cannot_be_prepared_says_why():
    broken = named("broken")
    broken.input_schema = {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}
    tools = await Toolkit([named("one"), broken]).snapshot(state())

    with pytest.raises(BadArguments, match="word: 5 is not of type"):
        tools.prepare(call("one", '{"word": 5}'))
    with pytest.raises(UnknownTool, match="closest names are: one"):
        tools.prepare(call("onne"))
    with pytest.raises(UnknownTool, match="schema is not valid"):
        tools.prepare(call("broken"))


async def test_arguments_are_checked_with_a_schema_compiled_once(monkeypatch):
    compiled = []

    class Counting(ArgumentSchema):
        def __init__(self, schema: dict[str, Any]) -> None:
            compiled.append(schema)
            super().__init__(schema)

    monkeypatch.setattr("agentsvc.agent.tools.ArgumentSchema", Counting)
    kit = Toolkit([named("one"), Source(named("far"))], [ToolGroup("g", "More.")])

    for groups in ((), ("g",), ()):
        tools = await kit.snapshot(state(*groups))
        tools.prepare(call("one"))
        tools.prepare(call("far"))

    assert len(compiled) == 2
