"""What is put around the calls of tools."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from agentsvc.agent.tool import FunctionTool, ToolBase, ToolChunk, ToolMiddlewareBase, tool
from agentsvc.agent.toolkit import Toolkit
from agentsvc.domain.states import AgentState
from tests.agent.calls import failure, run, text_of

Handler = Callable[..., AsyncIterator[ToolChunk]]


class Mark(ToolMiddlewareBase):
    """Puts its name around the argument ``word`` and around what comes out."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def on_tool_call(
        self, tool: ToolBase, input_kwargs: dict[str, Any], next_handler: Handler
    ) -> AsyncIterator[ToolChunk]:
        yield ToolChunk.text(f"<{self.name}>")
        async for chunk in next_handler(word=input_kwargs["word"] + self.name):
            yield chunk
        yield ToolChunk.text(f"</{self.name}>")


class ShortCut(ToolMiddlewareBase):
    async def on_tool_call(
        self, tool: ToolBase, input_kwargs: dict[str, Any], next_handler: Handler
    ) -> AsyncIterator[ToolChunk]:
        yield ToolChunk.text(f"not {tool.name}", state="denied")


async def echo(word: str) -> str:
    """Say it again."""
    return word


class Echo(ToolBase):
    name = "echo"
    description = ""
    input_schema = {"type": "object", "properties": {"word": {"type": "string"}}}  # noqa: RUF012

    async def call(self, word: str) -> ToolChunk:
        return ToolChunk.text(word)


class Source:
    """Tools from outside."""

    version = 1
    trusted = True

    async def tools(self) -> list[ToolBase]:
        return [Echo()]


@pytest.mark.parametrize(
    "given",
    [FunctionTool(echo), FunctionTool(lambda word: word, "echo"), Echo(), Source()],
    ids=["coroutine", "plain", "class", "outside"],
)
async def test_every_kind_of_tool_is_wrapped_and_the_first_is_the_outermost(given):
    toolkit = Toolkit([given], middlewares=[Mark("a"), Mark("b")])

    assert text_of(await run(toolkit, "echo", '{"word": "-"}')) == "<a><b>-ab</b></a>"


async def test_those_of_the_toolkit_are_around_those_of_the_tool():
    own = FunctionTool(echo, middlewares=[Mark("c"), Mark("d")])
    toolkit = Toolkit([own, FunctionTool(echo, "plain")], middlewares=[Mark("a")])

    assert text_of(await run(toolkit, "echo", '{"word": "-"}')) == "<a><c><d>-acd</d></c></a>"
    assert text_of(await run(toolkit, "plain", '{"word": "-"}')) == "<a>-a</a>"


async def test_a_tool_can_be_answered_for():
    ran = []

    @tool(middlewares=[ShortCut()])
    async def touch() -> None:
        ran.append(True)

    (chunk,) = await run(Toolkit([touch]), "touch")

    assert (text_of([chunk]), chunk.state) == ("not touch", "denied")
    assert not ran


async def test_chunks_can_be_changed_and_kept_back():
    class Upper(ToolMiddlewareBase):
        async def on_tool_call(
            self, tool: ToolBase, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ToolChunk]:
            async for chunk in next_handler():
                if text_of([chunk]) != "secret":
                    yield ToolChunk.text(text_of([chunk]).upper())

    @tool(middlewares=[Upper()])
    async def speak() -> AsyncIterator[str]:
        yield "one"
        yield "secret"
        yield "two"

    assert text_of(await run(Toolkit([speak]), "speak")) == "ONETWO"


async def test_a_tool_can_be_tried_again():
    attempts = []

    class Twice(ToolMiddlewareBase):
        async def on_tool_call(
            self, tool: ToolBase, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ToolChunk]:
            try:
                async for chunk in next_handler():
                    yield chunk
            except ConnectionError:
                async for chunk in next_handler():
                    yield chunk

    @tool(middlewares=[Twice()])
    async def flaky() -> str:
        attempts.append(True)
        if len(attempts) == 1:
            raise ConnectionError
        return "there"

    assert text_of(await run(Toolkit([flaky]), "flaky")) == "there"


async def test_arguments_are_those_of_the_model_alone():
    seen = []

    class Look(ToolMiddlewareBase):
        async def on_tool_call(
            self, tool: ToolBase, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ToolChunk]:
            seen.append(dict(input_kwargs))
            input_kwargs.pop("extra", None)
            async for chunk in next_handler(n=input_kwargs["n"] + 1):
                yield chunk

    @tool(middlewares=[Look(), Look()])
    async def count(n: int, extra: int = 0, *, _agent_state: AgentState) -> str:
        return f"{_agent_state.session_id} {n} {extra}"

    assert text_of(await run(Toolkit([count]), "count", '{"n": 1, "extra": 5}')) == "s1 3 0"
    assert seen == [{"n": 1, "extra": 5}, {"n": 2}]


async def test_what_is_left_in_the_middle_is_closed():
    closed = []

    class First(ToolMiddlewareBase):
        async def on_tool_call(
            self, tool: ToolBase, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ToolChunk]:
            async for chunk in next_handler():
                yield chunk
                return

    @tool(middlewares=[First()])
    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "on"
        finally:
            closed.append(True)

    assert text_of(await run(Toolkit([endless]), "endless")) == "on"
    assert closed


async def test_a_failure_of_a_middleware_is_the_calls():
    class Broken(ToolMiddlewareBase):
        async def on_tool_call(
            self, tool: ToolBase, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ToolChunk]:
            if tool.name == "echo":
                raise LookupError("no map")
            yield ToolChunk()

    class Odd(ToolMiddlewareBase):
        async def on_tool_call(
            self, tool: ToolBase, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[Any]:
            yield "text"

    toolkit = Toolkit([FunctionTool(echo)], middlewares=[Broken()])
    assert "LookupError: no map" in await failure(toolkit, "echo", '{"word": "-"}')

    toolkit = Toolkit([FunctionTool(echo)], middlewares=[Odd()])
    assert "not str" in await failure(toolkit, "echo", '{"word": "-"}')
