"""The tools of an agent, in groups, and the picture of those that are active."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from typing import Any

from agentsvc.agent.arguments import BadArguments
from agentsvc.agent.groups import BASIC, ResetTools, ToolGroup
from agentsvc.agent.model import ToolSchema
from agentsvc.agent.shelf import Shelf
from agentsvc.agent.skills import SKILL_VIEWER, Skill, SkillLoaderBase, SkillViewer, section
from agentsvc.agent.sources import ToolSource
from agentsvc.agent.structured import STRUCTURED_OUTPUT, GenerateStructuredOutput
from agentsvc.agent.tool import ToolBase, ToolChunk, ToolMiddlewareBase
from agentsvc.agent.tools import RESET_TOOLS, Listed, Prepared, Tools, UnknownTool
from agentsvc.domain.messages import ToolCallBlock
from agentsvc.domain.states import AgentState

__all__ = ["Prepared", "ToolGroup", "Toolkit", "Tools", "UnknownTool"]

log = logging.getLogger(__name__)

_RESERVED = frozenset({RESET_TOOLS, SKILL_VIEWER, STRUCTURED_OUTPUT})


class Toolkit:
    """Tools and skills that are always active, and groups of more that the model may activate.

    The toolkit adds ``reset_tools`` when there are groups, ``Skill`` when there are skills, and
    ``GenerateStructuredOutput`` while a reply asks for that. The first middleware is the outermost.

    Raises ValueError for a name that providers do not take, that is reserved, or that two tools or two groups have, and
    for an input schema that is not of type object.
    """

    def __init__(
        self,
        tools: Iterable[ToolBase | ToolSource] = (),
        groups: Iterable[ToolGroup] = (),
        skills: Iterable[Skill | SkillLoaderBase] = (),
        middlewares: Iterable[ToolMiddlewareBase] = (),
    ) -> None:
        groups = tuple(groups)
        self._shelves = {BASIC: Shelf(BASIC, tools, skills)}
        for group in groups:
            if group.name in self._shelves:
                raise ValueError(f"two groups are named {group.name!r}")
            self._shelves[group.name] = Shelf(group.name, group.tools, group.skills)
        _refuse_twins(self._shelves.values())
        self._reset = [Listed(ResetTools(groups))] if groups else []
        self._middlewares = tuple(middlewares)
        self._turn = 0
        self._revision = 0
        self._latest: tuple[object, Tools] = (None, Tools())
        self.schemas: tuple[ToolSchema, ...] = ()
        self._changed()

    def add_tool(self, tool: ToolBase, group_name: str = BASIC) -> None:
        """From the next snapshot on; a tool of the same name goes. Raises KeyError when there is no such group."""
        shelf = self._shelves[group_name]
        listed = Listed(tool)
        _refuse_reserved(listed.name)
        self.remove_tool(listed.name)
        shelf.put(listed)
        self._changed()

    def remove_tool(self, name: str) -> None:
        """Nothing happens when there is none."""
        for shelf in self._shelves.values():
            shelf.take(name)
        self._changed()

    def get(self, name: str) -> ToolBase | None:
        """A tool of any group; one from a source only while it is active."""
        for shelf in self._shelves.values():
            if name in shelf.own:
                return shelf.own[name].tool
        return self._latest[1].get(name)

    def refresh(self) -> None:
        """A turn begins: the next snapshot looks for changed skills, and asks again where a listing failed."""
        self._turn += 1

    async def snapshot(self, state: AgentState) -> Tools:
        """What is active now. The same object as long as nothing has changed, and then nothing is listed."""
        chosen = state.tool_context.activated_groups
        active = [shelf for shelf in self._shelves.values() if shelf.name == BASIC or shelf.name in chosen]
        await self._update(active)
        wanted = state.reply_context.structured_schema
        key = ([shelf.name for shelf in active], self._revision, wanted)
        if self._latest[0] != key:
            self._latest = key, self._picture(active, wanted)
        return self._latest[1]

    async def run(self, call: ToolCallBlock, state: AgentState) -> AsyncGenerator[ToolChunk]:
        """What a call gives, as it comes. Whatever goes wrong ends it with an error that the model can read.

        Only a cancellation is raised.
        """
        tools = await self.snapshot(state)
        try:
            prepared = tools.prepare(call)
        except (BadArguments, UnknownTool) as error:
            yield ToolChunk.text(str(error), state="error")
            return
        async with aclosing(tools.run(prepared, state)) as chunks:
            async for chunk in chunks:
                yield chunk

    def _changed(self) -> None:
        self.schemas = tuple(listed.schema for listed in self._shelves[BASIC].own.values())
        self._revision += 1

    async def _update(self, active: Sequence[Shelf]) -> None:
        updates = [update for shelf in active for update in shelf.updates(self._turn)]
        if not updates:
            return
        async with asyncio.TaskGroup() as listings:
            tasks = [listings.create_task(update) for update in updates]
        self._revision += any(task.result() for task in tasks)

    def _picture(self, active: Sequence[Shelf], structured_schema: dict[str, Any] | None) -> Tools:
        skills = _by_name(skill for shelf in active for skill in shelf.skills)
        taken = {name for shelf in self._shelves.values() for name in shelf.own} | _RESERVED
        basic, *others = active
        # What rarely changes comes first: providers cache the beginning of a request.
        listed = [*basic.own.values(), *_found(basic, taken)]
        listed += [Listed(SkillViewer(skills))] if skills else []
        listed += self._reset
        for shelf in others:
            listed += (*shelf.own.values(), *_found(shelf, taken))
        listed += [Listed(GenerateStructuredOutput(structured_schema))] if structured_schema is not None else []
        return Tools(
            listed,
            groups=[shelf.name for shelf in others],
            skills=section(list(skills.values())),
            inactive=self._inactive(active),
            middlewares=self._middlewares,
        )

    def _inactive(self, active: Sequence[Shelf]) -> dict[str, str]:
        others = [shelf for shelf in self._shelves.values() if shelf not in active]
        return {listed.name: shelf.name for shelf in others for listed in (*shelf.found, *shelf.own.values())}


def _found(shelf: Shelf, taken: set[str]) -> list[Listed]:
    """What sources listed under names that are still free, which are taken now: nobody replaces a tool from outside."""
    found: list[Listed] = []
    for listed in shelf.found:
        if listed.name in taken:
            log.warning("a second tool named %r is left out", listed.name)
        else:
            taken.add(listed.name)
            found.append(listed)
    return found


def _by_name(skills: Iterable[Skill]) -> dict[str, Skill]:
    named: dict[str, Skill] = {}
    for skill in skills:
        if skill.name in named:
            log.warning("two skills are named %r: the one in %s is used", skill.name, skill.dir)
        named[skill.name] = skill
    return named


def _refuse_twins(shelves: Iterable[Shelf]) -> None:
    seen: set[str] = set()
    for name in (name for shelf in shelves for name in shelf.own):
        _refuse_reserved(name)
        if name in seen:
            raise ValueError(f"two tools are named {name!r}")
        seen.add(name)


def _refuse_reserved(name: str) -> None:
    if name in _RESERVED:
        raise ValueError(f"the name {name!r} is reserved for a tool of the toolkit itself")
