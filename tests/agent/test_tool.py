"""Functions as tools."""

import functools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from agentsvc.agent.arguments import BadArguments
from agentsvc.agent.model import ToolSchema
from agentsvc.agent.tool import FunctionTool, ToolBase, ToolChunk, tool
from agentsvc.domain.messages import Base64Source, DataBlock, TextBlock
from agentsvc.domain.states import AgentState
from tests.agent.calls import chunks, texts


@dataclass
class Point:
    x: int
    y: int


def test_a_decorated_function_says_what_it_is():
    @tool
    def add(a: int, b: int = 1) -> int:
        """Add two numbers."""
        return a + b

    assert add.schema == ToolSchema("add", "Add two numbers.", add.input_schema)
    assert list(add.input_schema["properties"]) == ["a", "b"]
    assert not any((add.is_read_only, add.idempotent, add.is_external_tool, add.is_state_injected))
    assert add.function(1, 2) == 3


def test_the_decorator_takes_what_a_function_cannot_say():
    @tool(name="look-up", description="Look it up.", read_only=True, concurrent=True, idempotent=True)
    def look(what: str) -> str:
        """Not this."""
        return what

    assert (look.name, look.description) == ("look-up", "Look it up.")
    assert look.is_read_only
    assert look.is_concurrency_safe
    assert look.idempotent


def test_only_functions_that_await_run_side_by_side_unless_told_otherwise():
    async def coroutine() -> None: ...

    async def generator() -> AsyncIterator[str]:
        yield ""

    def plain() -> None: ...

    assert FunctionTool(coroutine).is_concurrency_safe
    assert FunctionTool(functools.partial(coroutine)).is_concurrency_safe
    assert FunctionTool(generator).is_concurrency_safe
    assert not FunctionTool(plain).is_concurrency_safe
    assert FunctionTool(plain, is_concurrency_safe=True).is_concurrency_safe
    assert not FunctionTool(coroutine, is_concurrency_safe=False).is_concurrency_safe


async def test_every_form_of_function_gives_the_same():
    def plain(n: int) -> str:
        return f"{n}!"

    async def coroutine(n: int) -> str:
        return f"{n}!"

    def generator(n: int) -> Iterator[str]:
        yield f"{n}"
        yield "!"

    async def async_generator(n: int) -> AsyncIterator[str]:
        yield f"{n}"
        yield "!"

    def careless(n: int) -> Any:
        return coroutine(n)

    class Callable:
        async def __call__(self, n: int) -> str:
            return f"{n}!"

    for function in (plain, coroutine, generator, async_generator, careless, Callable()):
        assert "".join(await texts(FunctionTool(function), n=7)) == "7!"


async def test_arguments_arrive_as_the_annotated_types():
    @tool
    async def since(when: datetime, point: Point, limit: int = 5) -> str:
        return repr((when, point, limit))

    at = datetime(2026, 1, 2, tzinfo=UTC)
    assert await texts(since, when="2026-01-02T00:00:00Z", point={"x": 1, "y": 2}) == [repr((at, Point(1, 2), 5))]


@pytest.mark.parametrize("kind", ["plain", "coroutine"])
async def test_arguments_of_other_types_are_refused_before_the_function_runs(kind):
    ran = []

    def plain(when: datetime) -> None:
        ran.append(when)

    async def coroutine(when: datetime) -> None:
        ran.append(when)

    with pytest.raises(BadArguments, match=r"\$\.when"):
        await chunks(FunctionTool(plain if kind == "plain" else coroutine), when="soon")

    assert not ran


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (None, "null"),
        (1.5, "1.5"),
        ({"a": [1, "ü"]}, '{"a":[1,"ü"]}'),
        ([], "[]"),
        (Point(1, 2), '{"x":1,"y":2}'),
        (datetime(2026, 1, 2, tzinfo=UTC), '"2026-01-02T00:00:00Z"'),
        ({"inside": 1j}, '{"inside":"1j"}'),
        ({(1, 2): 3}, '{"(1, 2)":3}'),
        ("file \udcff.txt", "file ?.txt"),
        (["file \udcff.txt"], "['file \\udcff.txt']"),
    ],
)
def test_what_a_function_returns_becomes_text(value, text):
    (block,) = ToolChunk.of(value).content

    assert isinstance(block, TextBlock)
    assert block.text == text
    assert ToolChunk.of(value).state == "running"


def test_chunks_and_blocks_are_taken_as_they_are():
    chunk = ToolChunk.text("x", state="error")
    image = DataBlock(source=Base64Source(data="aGk=", media_type="image/png"))
    words = TextBlock(text="a picture")

    assert ToolChunk.of(chunk) is chunk
    assert ToolChunk.of(image).content == [image]
    assert ToolChunk.of([words, image]).content == [words, image]


async def test_closing_early_closes_an_async_generator():
    closed = []

    @tool
    async def forever() -> AsyncIterator[str]:
        try:
            while True:
                yield "on"
        finally:
            closed.append(True)

    running = forever.call()
    await anext(running)
    await running.aclose()

    assert closed


async def test_a_parameter_named_agent_state_is_given_the_state():
    @tool
    async def who(greeting: str, _agent_state: AgentState) -> str:
        return f"{greeting} {_agent_state.session_id}"

    assert who.is_state_injected
    assert list(who.input_schema["properties"]) == ["greeting"]
    assert await texts(who, greeting="hi", _agent_state=AgentState(session_id="s1")) == ["hi s1"]


async def test_a_tool_without_a_call_of_its_own_cannot_be_called_here():
    class Remote(ToolBase):
        name = "remote"
        description = ""
        input_schema = {"type": "object", "properties": {}}  # noqa: RUF012
        is_external_tool = True

    with pytest.raises(NotImplementedError, match="remote"):
        Remote().call()


def test_a_function_can_run_unasked():
    @tool(always_allowed=True)
    def look() -> None: ...

    assert look.is_always_allowed
    assert not FunctionTool(look.function).is_always_allowed


async def test_a_function_of_an_external_tool_only_describes_it():
    ran = []

    @tool(external=True)
    def show(what: str, _agent_state: object = None) -> None:
        """Show it to the user."""
        ran.append(what)

    assert show.is_external_tool
    assert not show.is_state_injected
    assert (show.description, list(show.input_schema["properties"])) == ("Show it to the user.", ["what"])
    with pytest.raises(NotImplementedError, match="show"):
        await chunks(show, what="a map")
    assert not ran
