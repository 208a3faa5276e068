"""The tools of an agent, and the run of one call."""

import asyncio
import inspect
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from difflib import get_close_matches
from typing import Any, cast

import msgspec

from agentsvc.agent.arguments import ArgumentSchema, BadArguments, BadSchema, parse, shorten
from agentsvc.agent.interruption import was_cancelled
from agentsvc.agent.model import ToolSchema
from agentsvc.agent.tool import AGENT_STATE, ToolBase, ToolChunk
from agentsvc.domain.messages import ToolCallBlock
from agentsvc.domain.states import AgentState

log = logging.getLogger(__name__)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REASON_CHARS = 2_000
_SUGGESTIONS = 3

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ToolChunk).decode


class Toolkit:
    """A fixed set of tools with different names.

    ``schemas`` are the tools as a model is told of them, in the order given. Raises ValueError for a name that
    providers do not take, a name that two tools have, and an input schema that is not of type object.
    """

    def __init__(self, tools: Iterable[ToolBase] = ()) -> None:
        self._tools: dict[str, ToolBase] = {}
        for tool in tools:
            self._add(tool)
        self.schemas: tuple[ToolSchema, ...] = tuple(tool.schema for tool in self._tools.values())
        self._parameters = {schema.name: schema.parameters for schema in self.schemas}
        self._compiled: dict[str, ArgumentSchema] = {}

    def _add(self, tool: ToolBase) -> None:
        if not _NAME.fullmatch(tool.name):
            raise ValueError(f"{tool.name!r} cannot name a tool: 1 to 64 of A-Z, a-z, 0-9, _ and - can")
        if tool.name in self._tools:
            raise ValueError(f"two tools are named {tool.name!r}")
        if tool.input_schema.get("type") != "object":
            raise ValueError(f"the input schema of the tool {tool.name!r} is not of type object")
        self._tools[tool.name] = tool

    def get(self, name: str) -> ToolBase | None:
        return self._tools.get(name)

    async def run(self, call: ToolCallBlock, state: AgentState) -> AsyncGenerator[ToolChunk]:
        """What a call gives, as it comes. Whatever goes wrong ends it with an error that the model can read.

        Only a cancellation is raised.
        """
        try:
            async with aclosing(self._chunks(call, state)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except (BadArguments, _UnknownTool) as error:
            failure = str(error)
        except asyncio.CancelledError as error:
            if was_cancelled():
                raise
            failure = _failed(call, error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - tools are other people's code
            failure = _failed(call, error)
        else:
            return
        yield ToolChunk.text(failure, state="error")

    async def _chunks(self, call: ToolCallBlock, state: AgentState) -> AsyncGenerator[ToolChunk]:
        tool = self._tools.get(call.name)
        if tool is None:
            raise _UnknownTool(self._no_such_tool(call.name))
        try:
            arguments = parse(call.input)
            self._schema(tool.name).check(arguments)
            injected = {AGENT_STATE: state} if tool.is_state_injected and not tool.is_external_tool else {}
            async with aclosing(_answers(tool, arguments | injected)) as answers:
                async for answer in answers:
                    yield _sound(answer)
        except BadArguments as error:
            raise BadArguments(
                f"The arguments of {call.name} were not accepted. {error}\nThey were: {shorten(call.input)}"
            ) from error

    def _schema(self, name: str) -> ArgumentSchema:
        if name not in self._compiled:
            self._compiled[name] = ArgumentSchema(self._parameters[name])
        return self._compiled[name]

    def _no_such_tool(self, name: str) -> str:
        short = shorten(name, 64)
        closest = get_close_matches(short, self._tools, n=_SUGGESTIONS, cutoff=0.0)
        hint = f"The closest names are: {', '.join(closest)}." if closest else "There are no tools."
        return f"There is no tool named {short!r}. {hint}"


class _UnknownTool(Exception):
    pass


async def _answers(tool: ToolBase, arguments: dict[str, Any]) -> AsyncGenerator[object]:
    answer: object = tool.call(**arguments)
    if inspect.isawaitable(answer):
        answer = await answer
    if isinstance(answer, AsyncGenerator):
        generator = cast("AsyncGenerator[object]", answer)
        async with aclosing(generator):
            async for chunk in generator:
                yield chunk
    elif isinstance(answer, AsyncIterator):
        async for chunk in cast("AsyncIterator[object]", answer):
            yield chunk
    else:
        yield answer


def _sound(answer: object) -> ToolChunk:
    """The chunk as it can be stored. Raises for what a tool's author got wrong, before it is in a log for good."""
    if not isinstance(answer, ToolChunk):
        raise TypeError(f"a tool gives ToolChunk, not {type(answer).__name__}")
    return _decode(_encode(answer))


def _failed(call: ToolCallBlock, error: BaseException) -> str:
    if isinstance(error, BadSchema):
        log.error("the input schema of tool %s cannot be used: %s", call.name, error)
        return f"The tool {call.name} cannot be used: its input schema is not valid. {error}"
    log.warning("tool %s failed", call.name, exc_info=error)
    return f"The tool {call.name} failed. {shorten('; '.join(_reasons(error)), _REASON_CHARS)}"


def _reasons(error: BaseException) -> list[str]:
    """One line for each error; a group says nothing by itself."""
    if isinstance(error, BaseExceptionGroup):
        members = cast("BaseExceptionGroup[BaseException]", error).exceptions
        return [reason for member in members for reason in _reasons(member)]
    text = str(error)
    return [f"{type(error).__name__}: {text}" if text else type(error).__name__]
