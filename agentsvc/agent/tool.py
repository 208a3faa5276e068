"""Tools: what a model may call, and how a Python function becomes one."""

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, cast, overload

import msgspec
from msgspec import Struct

from agentsvc.agent.model import ToolSchema
from agentsvc.agent.permissions import Examination, WholeTool
from agentsvc.agent.schemas import Signature
from agentsvc.agent.thread import ToolThread
from agentsvc.domain.messages import DataBlock, TextBlock, ToolResultState
from agentsvc.domain.permissions import PermissionContext

AGENT_STATE = "_agent_state"
"""The keyword under which a tool that asks for it is given the state of the agent."""

_END = object()


class ToolChunk(Struct, frozen=True, kw_only=True):
    """A piece of a result: only what is new since the piece before.

    The worst ``state`` of all chunks is that of the result, success if all are ``running``. ``metadata`` are merged.
    Texts side by side become one; a ``DataBlock`` comes whole.
    """

    content: list[TextBlock | DataBlock] = []
    state: ToolResultState = "running"
    metadata: dict[str, Any] = {}

    @classmethod
    def text(cls, text: str, state: ToolResultState = "running") -> "ToolChunk":
        """One text block. What UTF-8 cannot say (file names have it) becomes a question mark."""
        return cls(content=[TextBlock(text=text.encode("utf-8", "replace").decode())], state=state)

    @classmethod
    def of(cls, value: object) -> "ToolChunk":
        """A chunk of whatever a function returns: blocks and text as they are, the rest as JSON, else as ``str``."""
        match value:
            case ToolChunk():
                return value
            case TextBlock() | DataBlock():
                return cls(content=[value])
            case list() if _are_blocks(cast("list[object]", value)):
                return cls(content=cast("list[TextBlock | DataBlock]", value))
            case str():
                return cls.text(value)
            case _:
                return cls.text(_json(value))


class ToolMiddlewareBase:
    """Something around every call of a tool, or of all tools of a toolkit. The first of several is the outermost.

    One object may serve many calls at once: keep nothing of a call on it.
    """

    def on_tool_call(
        self,
        tool: "ToolBase",
        input_kwargs: dict[str, Any],
        next_handler: Callable[..., AsyncIterator[ToolChunk]],
    ) -> AsyncIterator[ToolChunk]:
        """An async generator of what the call gives.

        ``input_kwargs`` are the arguments. ``next_handler(**changes)`` goes on with them as they are, changed as said,
        and gives the tool's chunks; without it the tool does not run. Permission was given before all this.
        """
        raise NotImplementedError


class ToolBase:
    """Something that a model may call.

    A subclass says what it is in attributes and overrides ``call``. One object may serve many calls at once: keep
    nothing of a call on it. ``input_schema`` is a JSON Schema of type object with ``properties``.

    ``is_concurrency_safe``: neighbouring calls may run side by side. ``is_read_only``: it changes nothing.
    ``is_always_allowed``: it runs unasked unless a rule or the mode says otherwise.
    ``is_external_tool``: the client carries it out, ``call`` is never used. ``is_state_injected``: ``call`` is given
    the state of the agent as ``_agent_state``. ``idempotent``: a call in flight when its worker died may be repeated.
    ``middlewares`` are around every call, inside those of the toolkit.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    is_concurrency_safe: bool = False
    is_read_only: bool = False
    is_always_allowed: bool = False
    is_external_tool: bool = False
    is_state_injected: bool = False
    idempotent: bool = False
    middlewares: Sequence[ToolMiddlewareBase] = ()

    @property
    def schema(self) -> ToolSchema:
        """The tool as a model is told of it."""
        return ToolSchema(self.name, self.description, self.input_schema)

    async def check_permissions(self, tool_input: dict[str, Any], context: PermissionContext) -> Examination:  # noqa: ARG002
        """What this call would do, for the permission engine: see ``Examination``.

        The arguments match the schema. Unless overridden, a call is read-only when the tool is, runs unasked when the
        tool is ``is_always_allowed``, and is asked about otherwise, with the offer to allow the whole tool.
        """
        return WholeTool(read_only=self.is_read_only, opinion="allow" if self.is_always_allowed else "passthrough")

    def call(self, *args: Any, **kwargs: Any) -> Awaitable[ToolChunk] | AsyncIterator[ToolChunk]:
        """Carry out one call: a coroutine that returns a chunk, or an async generator of chunks.

        The arguments are given by name and match the schema. What it raises becomes an error that the model reads.
        """
        raise NotImplementedError(f"{self.name} cannot be called here")


class FunctionTool(ToolBase):
    """A function as a tool: ``Signature`` says what it may take, ``ToolChunk.of`` what it may return or yield.

    A coroutine function or async generator runs on the event loop and may run side by side with others unless told
    otherwise. A plain function or generator runs in a thread, and alone unless told otherwise: code that never awaits
    is rarely written for company. After a cancellation a thread runs on to its next ``yield`` or its end, and is not
    waited for. Whoever names a parameter ``_agent_state`` is given the state of the agent. An external tool is only
    described by its function, which never runs here.

    Raises TypeError for a function that cannot be described.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None = None,
        description: str | None = None,
        *,
        is_concurrency_safe: bool | None = None,
        is_read_only: bool = False,
        is_always_allowed: bool = False,
        is_external_tool: bool = False,
        idempotent: bool = False,
        middlewares: Sequence[ToolMiddlewareBase] = (),
    ) -> None:
        self.function = function
        self._signature = Signature(function, hidden=(AGENT_STATE,))
        self.name = name or self._signature.name
        self.description = self._signature.description if description is None else description
        self.input_schema = self._signature.schema
        self.is_concurrency_safe = self._signature.awaits if is_concurrency_safe is None else is_concurrency_safe
        self.is_read_only = is_read_only
        self.is_always_allowed = is_always_allowed
        self.is_external_tool = is_external_tool
        self.is_state_injected = not is_external_tool and AGENT_STATE in inspect.signature(function).parameters
        self.idempotent = idempotent
        self.middlewares = tuple(middlewares)

    async def call(self, /, **arguments: Any) -> AsyncGenerator[ToolChunk]:
        if self.is_external_tool:
            raise NotImplementedError(f"{self.name} cannot be called here")
        injected = {AGENT_STATE: arguments.pop(AGENT_STATE)} if self.is_state_injected else {}
        run = partial(self.function, **self._signature.convert(arguments), **injected)
        items = _results(run()) if self._signature.awaits else _thread_results(run, self.name)
        async with aclosing(items):
            async for item in items:
                yield ToolChunk.of(item)


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    read_only: bool = False,
    concurrent: bool | None = None,
    always_allowed: bool = False,
    external: bool = False,
    idempotent: bool = False,
    middlewares: Sequence[ToolMiddlewareBase] = (),
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    read_only: bool = False,
    concurrent: bool | None = None,
    always_allowed: bool = False,
    external: bool = False,
    idempotent: bool = False,
    middlewares: Sequence[ToolMiddlewareBase] = (),
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Make a function a tool: ``@tool`` or ``@tool(read_only=True)``. See ``FunctionTool``."""
    make = partial(
        FunctionTool,
        name=name,
        description=description,
        is_concurrency_safe=concurrent,
        is_read_only=read_only,
        is_always_allowed=always_allowed,
        is_external_tool=external,
        idempotent=idempotent,
        middlewares=middlewares,
    )
    return make if function is None else make(function)


async def _results(answer: object) -> AsyncGenerator[object]:
    """What a function's answer holds, one by one."""
    if inspect.isawaitable(answer):
        answer = await answer
    if isinstance(answer, AsyncGenerator):
        generator = cast("AsyncGenerator[object]", answer)
        async with aclosing(generator):
            async for item in generator:
                yield item
    else:
        yield answer


async def _thread_results(run: Callable[[], object], name: str) -> AsyncGenerator[object]:
    """The same of a function that blocks. A generator is advanced and closed in one and the same thread."""
    thread = ToolThread(name)
    last: list[Callable[[], object]] = []
    try:
        answer = await thread.do(run)
        if isinstance(answer, Generator):
            generator = cast("Generator[object]", answer)
            last.append(generator.close)
            while (item := await thread.do(partial(next, generator, _END))) is not _END:
                yield item
        else:
            # A plain function that returns a coroutine, as a careless decorator makes of an async one.
            others = _results(answer)
            async with aclosing(others):
                async for item in others:
                    yield item
    finally:
        thread.end(*last)


def _are_blocks(values: list[object]) -> bool:
    return bool(values) and all(isinstance(each, TextBlock | DataBlock) for each in values)


def _json(value: object) -> str:
    try:
        return msgspec.json.encode(value, enc_hook=str).decode()
    except (TypeError, ValueError, RecursionError):
        return str(value)
