"""Tools together, and the run of one call."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from agentsvc.agent.tool import FunctionTool, ToolBase, ToolChunk, tool
from agentsvc.agent.toolkit import Toolkit
from agentsvc.domain.messages import Base64Source, DataBlock
from agentsvc.domain.states import AgentState
from tests.agent.calls import STATE, call, failure, run, text_of

ANYTHING: dict[str, Any] = {"type": "object", "properties": {}}


@tool
async def greet(name: str, times: int = 1) -> str:
    """Greet somebody."""
    return " ".join([f"hello {name}"] * times)


def test_tools_are_found_by_name_and_described_in_order():
    @tool
    def other() -> None: ...

    toolkit = Toolkit([greet, other])

    assert toolkit.get("greet") is greet
    assert toolkit.get("nothing") is None
    assert toolkit.schemas == (greet.schema, other.schema)
    assert toolkit.schemas is toolkit.schemas
    assert Toolkit().schemas == ()


@pytest.mark.parametrize("name", ["", "with space", "ünicode", "a.b", "x" * 65, "line\n"])
def test_a_name_that_providers_refuse_is_refused(name):
    named = FunctionTool(greet.function)
    named.name = name

    with pytest.raises(ValueError, match="cannot name a tool"):
        Toolkit([named])


def test_two_tools_with_one_name_are_refused():
    with pytest.raises(ValueError, match="'greet'"):
        Toolkit([greet, FunctionTool(greet.function)])


def test_a_schema_that_is_not_of_an_object_is_refused():
    broken = FunctionTool(greet.function)
    broken.input_schema = {"type": "string"}

    with pytest.raises(ValueError, match="'greet'"):
        Toolkit([broken])


async def test_a_call_gives_what_the_tool_gives():
    assert text_of(await run(Toolkit([greet]), "greet", '{"name": "Ada", "times": 2}')) == "hello Ada hello Ada"


async def test_arguments_are_repaired():
    assert text_of(await run(Toolkit([greet]), "greet", "{'name': 'Ada',")) == "hello Ada"


async def test_no_arguments_need_no_text():
    @tool
    def nothing() -> str:
        return "done"

    assert text_of(await run(Toolkit([nothing]), "nothing", "")) == "done"


async def test_states_metadata_and_blocks_come_through():
    image = DataBlock(source=Base64Source(data="aGk=", media_type="image/png"))

    @tool
    async def partly() -> AsyncIterator[ToolChunk]:
        yield ToolChunk(content=[image], metadata={"a": 1})
        yield ToolChunk(state="denied", metadata={"b": 2})

    chunks = await run(Toolkit([partly]), "partly")

    assert [chunk.content for chunk in chunks] == [[image], []]
    assert [chunk.state for chunk in chunks] == ["running", "denied"]
    assert [chunk.metadata for chunk in chunks] == [{"a": 1}, {"b": 2}]


async def test_classes_may_return_a_chunk_or_yield_chunks():
    class Echo(ToolBase):
        name = "echo"
        description = ""
        input_schema = ANYTHING

        async def call(self, text: str) -> ToolChunk:
            return ToolChunk.text(text)

    class Counting(ToolBase):
        name = "counting"
        description = ""
        input_schema = ANYTHING

        async def call(self, upto: int = 3) -> AsyncIterator[ToolChunk]:
            for n in range(upto):
                yield ToolChunk.text(str(n))

    assert text_of(await run(Toolkit([Echo()]), "echo", '{"text": "x"}')) == "x"
    assert text_of(await run(Toolkit([Counting()]), "counting", '{"upto": 2}')) == "01"
    assert "unexpected keyword argument 'from'" in await failure(Toolkit([Counting()]), "counting", '{"from": 2}')


async def test_the_state_goes_to_those_who_ask_and_cannot_be_forged():
    class Asking(ToolBase):
        name = "asking"
        description = ""
        input_schema = ANYTHING
        is_state_injected = True

        async def call(self, *, _agent_state: AgentState) -> ToolChunk:
            return ToolChunk.text(_agent_state.session_id)

    @tool
    def also(_agent_state: AgentState) -> str:
        return _agent_state.session_id

    forged = '{"_agent_state": {"session_id": "s2"}}'
    assert text_of(await run(Toolkit([Asking()]), "asking", forged)) == "s1"
    assert text_of(await run(Toolkit([also]), "also")) == "s1"
    assert "was unexpected" in await failure(Toolkit([also]), "also", forged)


async def test_a_cancellation_is_raised():
    started = asyncio.Event()

    @tool
    async def sleep() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(run(Toolkit([sleep]), "sleep"))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_a_timeout_around_a_run_fires():
    @tool
    async def sleep() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await run(Toolkit([sleep]), "sleep")


@pytest.mark.parametrize("plain", [True, False])
async def test_a_run_can_be_left_at_any_chunk(plain, until):
    closed = []

    def endless() -> Iterator[str]:
        try:
            while True:
                yield "on"
        finally:
            closed.append(True)

    async def going_on() -> AsyncIterator[str]:
        try:
            while True:
                yield "on"
        finally:
            closed.append(True)

    toolkit = Toolkit([FunctionTool(endless if plain else going_on, name="endless")])
    async with aclosing(toolkit.run(call("endless"), STATE)) as chunks:
        async for chunk in chunks:
            assert text_of([chunk]) == "on"
            break

    await until(lambda: closed, "the tool has been closed")


async def test_calls_of_one_tool_run_side_by_side():
    meeting = asyncio.Barrier(3)

    @tool
    async def meet() -> str:
        async with asyncio.timeout(10):
            await meeting.wait()
        return "met"

    toolkit = Toolkit([meet])

    assert [text_of(each) for each in await asyncio.gather(*(run(toolkit, "meet") for _ in range(3)))] == ["met"] * 3
