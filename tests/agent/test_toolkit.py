"""Tools together, and the run of one call."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsvc.agent.tool import FunctionTool, ToolBase, ToolChunk, tool
from agentsvc.agent.toolkit import Toolkit
from agentsvc.domain.messages import Base64Source, DataBlock, TextBlock, ToolCallBlock
from agentsvc.domain.states import AgentState

STATE = AgentState(session_id="s1")
ANYTHING: dict[str, Any] = {"type": "object", "properties": {}}


@tool
async def greet(name: str, times: int = 1) -> str:
    """Greet somebody."""
    return " ".join([f"hello {name}"] * times)


def call(name: str, text: str = "{}") -> ToolCallBlock:
    return ToolCallBlock(id="c1", name=name, input=text)


async def run(toolkit: Toolkit, name: str, text: str = "{}") -> list[ToolChunk]:
    return [chunk async for chunk in toolkit.run(call(name, text), STATE)]


def text_of(chunks: list[ToolChunk]) -> str:
    return "".join(block.text for chunk in chunks for block in chunk.content if isinstance(block, TextBlock))


async def failure(toolkit: Toolkit, name: str, text: str = "{}") -> str:
    *before, last = await run(toolkit, name, text)
    assert last.state == "error"
    assert all(chunk.state == "running" for chunk in before)
    return text_of([last])


def raising(error: BaseException) -> FunctionTool:
    async def fail() -> None:
        raise error

    return FunctionTool(fail)


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


class Odd(ToolBase):
    """Gives whatever it was made with."""

    name = "odd"
    description = ""
    input_schema = ANYTHING

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def call(self, **kwargs: Any) -> ToolChunk:
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


async def test_classes_may_return_a_chunk_or_yield_chunks():
    class Counting(ToolBase):
        name = "counting"
        description = ""
        input_schema = ANYTHING

        async def call(self, upto: int = 3) -> AsyncIterator[ToolChunk]:
            for n in range(upto):
                yield ToolChunk.text(str(n))

    assert text_of(await run(Toolkit([Odd(ToolChunk.text("x"))]), "odd")) == "x"
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


async def test_an_external_tool_is_not_carried_out_here():
    class Remote(ToolBase):
        name = "remote"
        description = ""
        input_schema = ANYTHING
        is_external_tool = True

    assert "cannot be called here" in await failure(Toolkit([Remote()]), "remote")


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


async def test_a_cancellation_that_nobody_asked_for_is_a_failure_of_the_tool():
    @tool
    async def lean_on_another() -> None:
        other = asyncio.create_task(asyncio.Event().wait())
        other.cancel()
        await other

    assert "CancelledError" in await failure(Toolkit([lean_on_another]), "lean_on_another")


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
