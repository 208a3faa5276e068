"""The run of one call: through the middlewares to the tool, and back as chunks that can be stored."""

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any, cast

import msgspec

from agentsvc.agent.arguments import BadArguments, shorten
from agentsvc.agent.interruption import was_cancelled
from agentsvc.agent.tool import AGENT_STATE, ToolBase, ToolChunk, ToolMiddlewareBase
from agentsvc.domain.messages import ToolCallBlock
from agentsvc.domain.states import AgentState

log = logging.getLogger(__name__)

_REASON_CHARS = 2_000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ToolChunk).decode

_Handler = Callable[..., AsyncGenerator[ToolChunk]]


async def carry_out(
    tool: ToolBase,
    call: ToolCallBlock,
    arguments: dict[str, Any],
    state: AgentState,
    middlewares: Sequence[ToolMiddlewareBase] = (),
) -> AsyncGenerator[ToolChunk]:
    """What the tool gives, as it comes, with the first of the middlewares as the outermost.

    Whatever goes wrong ends it with an error that the model can read. Only a cancellation is raised.
    """
    run = _wrapped(tool, state, middlewares)
    try:
        async with aclosing(run(**arguments)) as chunks:
            async for chunk in chunks:
                yield _storable(chunk)
    except BadArguments as error:
        failure = not_accepted(call, error)
    except asyncio.CancelledError as error:
        if was_cancelled():
            raise
        failure = _failed(call, error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - tools are other people's code
        failure = _failed(call, error)
    else:
        return
    yield ToolChunk.text(failure, state="error")


def not_accepted(call: ToolCallBlock, error: BadArguments) -> str:
    return f"The arguments of {call.name} were not accepted. {error}\nThey were: {shorten(call.input)}"


def _wrapped(tool: ToolBase, state: AgentState, middlewares: Sequence[ToolMiddlewareBase]) -> _Handler:
    # The state is added behind the middlewares: what they are given are the model's arguments and nothing else.
    injected = {AGENT_STATE: state} if tool.is_state_injected and not tool.is_external_tool else {}

    def innermost(**arguments: Any) -> AsyncGenerator[ToolChunk]:
        return _answers(tool, arguments | injected)

    handler: _Handler = innermost
    for middleware in reversed(middlewares):
        handler = _layer(middleware, tool, handler)
    return handler


def _layer(middleware: ToolMiddlewareBase, tool: ToolBase, inner: _Handler) -> _Handler:
    async def handle(**arguments: Any) -> AsyncGenerator[ToolChunk]:
        async with AsyncExitStack() as begun:

            def next_handler(**changes: Any) -> AsyncGenerator[ToolChunk]:
                # What a middleware leaves in the middle is closed when the middleware is.
                chunks = inner(**{**arguments, **changes})
                begun.push_async_callback(chunks.aclose)
                return chunks

            answer = middleware.on_tool_call(tool, arguments, next_handler)
            async with aclosing(cast("AsyncGenerator[ToolChunk]", answer)) as chunks:
                async for chunk in chunks:
                    yield _checked(chunk)

    return handle


async def _answers(tool: ToolBase, arguments: dict[str, Any]) -> AsyncGenerator[ToolChunk]:
    answer: object = tool.call(**arguments)
    if inspect.isawaitable(answer):
        answer = await answer
    if isinstance(answer, AsyncGenerator):
        generator = cast("AsyncGenerator[object]", answer)
        async with aclosing(generator):
            async for chunk in generator:
                yield _checked(chunk)
    elif isinstance(answer, AsyncIterator):
        async for chunk in cast("AsyncIterator[object]", answer):
            yield _checked(chunk)
    else:
        yield _checked(answer)


def _checked(answer: object) -> ToolChunk:
    if not isinstance(answer, ToolChunk):
        raise TypeError(f"a tool gives ToolChunk, not {type(answer).__name__}")
    return answer


def _storable(chunk: ToolChunk) -> ToolChunk:
    """The chunk as it will be read back. Raises for what an author got wrong, before it is in a log for good."""
    return _decode(_encode(chunk))


def _failed(call: ToolCallBlock, error: BaseException) -> str:
    log.warning("tool %s failed", call.name, exc_info=error)
    return f"The tool {call.name} failed. {shorten('; '.join(_reasons(error)), _REASON_CHARS)}"


def _reasons(error: BaseException) -> list[str]:
    """One line for each error; a group says nothing by itself."""
    if isinstance(error, BaseExceptionGroup):
        members = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return [reason for member in members for reason in _reasons(member)]
    text = str(error)
    return [f"{type(error).__name__}: {text}" if text else type(error).__name__]
