"""The tools that a model may call now: an immutable picture of a toolkit, taken once a round."""

import logging
import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from types import MappingProxyType
from typing import Any

import msgspec

from agentsvc.agent.arguments import ArgumentSchema, BadArguments, BadSchema, parse, shorten
from agentsvc.agent.calls import carry_out, not_accepted
from agentsvc.agent.model import ToolSchema
from agentsvc.agent.permissions import Examination, WholeTool
from agentsvc.agent.tool import ToolBase, ToolChunk, ToolMiddlewareBase
from agentsvc.domain.messages import ToolCallBlock
from agentsvc.domain.permissions import PermissionContext
from agentsvc.domain.states import AgentState

log = logging.getLogger(__name__)

RESET_TOOLS = "reset_tools"

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SUGGESTIONS = 3


class UnknownTool(Exception):
    """No tool can take the call: none has its name, it is not active, or its schema cannot be used.

    The text is for the model.
    """


def is_name(text: str) -> bool:
    """Whether providers take it as the name of a tool or a parameter."""
    return bool(_NAME.fullmatch(text))


class Listed:
    """A tool together with what is made of it once. Raises ValueError for one that no model can be told of."""

    def __init__(self, tool: ToolBase, *, trusted: bool = True) -> None:
        if not is_name(tool.name):
            raise ValueError(f"{tool.name!r} cannot name a tool: 1 to 64 of A-Z, a-z, 0-9, _ and - can")
        if tool.input_schema.get("type") != "object":
            raise ValueError(f"the input schema of the tool {tool.name!r} is not of type object")
        self.tool = tool
        self.trusted = trusted
        self.schema: ToolSchema = tool.schema

    @property
    def name(self) -> str:
        return self.schema.name

    @cached_property
    def validator(self) -> ArgumentSchema:
        """Raises BadSchema."""
        return ArgumentSchema(self.schema.parameters)


@dataclass(frozen=True)
class Prepared:
    """A call whose arguments match the schema of its tool. Nothing has run yet."""

    call: ToolCallBlock
    tool: ToolBase
    arguments: dict[str, Any]
    trusted: bool = True

    async def examined(self, arguments: dict[str, Any], context: PermissionContext) -> Examination:
        """What the tool knows of a call with these arguments; nothing when it is not to be believed."""
        return await self.tool.check_permissions(arguments, context) if self.trusted else WholeTool()


class Tools:
    """``schemas`` are what a model is told, in a stable order; ``skills`` is the part of the prompt that names them.

    ``inactive`` says in which group a tool is that would have to be activated first.
    """

    def __init__(
        self,
        listed: Iterable[Listed] = (),
        *,
        groups: Sequence[str] = (),
        skills: str = "",
        inactive: Mapping[str, str] = MappingProxyType({}),
        middlewares: Sequence[ToolMiddlewareBase] = (),
    ) -> None:
        self._listed: Mapping[str, Listed] = MappingProxyType({each.name: each for each in listed})
        self.schemas: tuple[ToolSchema, ...] = tuple(each.schema for each in self._listed.values())
        self.groups = tuple(groups)
        self.skills = skills
        self._inactive = inactive
        self._middlewares = tuple(middlewares)

    def get(self, name: str) -> ToolBase | None:
        listed = self._listed.get(name)
        return listed.tool if listed is not None else None

    def prepare(self, call: ToolCallBlock) -> Prepared:
        """Parse and check a call. Raises BadArguments and UnknownTool, whose texts are for the model."""
        listed = self._listed.get(call.name)
        if listed is None:
            raise UnknownTool(self._no_such_tool(call.name))
        try:
            arguments = parse(call.input)
            listed.validator.check(arguments)
        except BadArguments as error:
            raise BadArguments(not_accepted(call, error)) from error
        except BadSchema as error:
            log.warning("the input schema of tool %s cannot be used: %s", call.name, error)
            raise UnknownTool(f"The tool {call.name} cannot be used: its input schema is not valid. {error}") from error
        return Prepared(call, listed.tool, arguments, listed.trusted)

    def run(self, prepared: Prepared, state: AgentState) -> AsyncGenerator[ToolChunk]:
        """What a call gives, as it comes. Whatever goes wrong ends it with an error that the model can read.

        The middlewares of the toolkit are around those of the tool. Only a cancellation is raised.
        """
        tool = prepared.tool
        middlewares = (*self._middlewares, *tool.middlewares)
        return carry_out(tool, prepared.call, prepared.arguments, state, middlewares)

    def _no_such_tool(self, name: str) -> str:
        if name in self._inactive:
            return _not_active(name, self._inactive[name], self.groups)
        short = shorten(name, 64)
        closest = get_close_matches(short, self._listed, n=_SUGGESTIONS, cutoff=0.0)
        hint = f"The closest names are: {', '.join(closest)}." if closest else "There are no tools."
        return f"There is no tool named {short!r}. {hint}"


def _not_active(name: str, group: str, active: Sequence[str]) -> str:
    wanted = msgspec.json.encode(dict.fromkeys([*active, group], True)).decode()
    return (
        f"The tool {name} belongs to the group {group!r}, which is not active. "
        f"Activate it first: call {RESET_TOOLS} with {wanted}."
    )
