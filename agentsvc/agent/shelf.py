"""What one group of a toolkit holds, and how current it is."""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from agentsvc.agent.skills import Skill, SkillLoaderBase
from agentsvc.agent.sources import Listing, ToolSource
from agentsvc.agent.tool import ToolBase
from agentsvc.agent.tools import Listed

log = logging.getLogger(__name__)


class Shelf:
    """``own`` are the tools that were put here by hand, by their names; sources and loaders give theirs when asked."""

    def __init__(
        self, name: str, tools: Iterable[ToolBase | ToolSource] = (), skills: Iterable[Skill | SkillLoaderBase] = ()
    ) -> None:
        self.name = name
        self._own: dict[str, Listed] = {}
        self._sources: list[tuple[ToolSource, Listing[Listed]]] = []
        self._skills: list[Skill | Listing[Skill]] = []
        for each in tools:
            if isinstance(each, ToolBase):
                self.put(Listed(each))
            elif not callable(getattr(each, "tools", None)):
                raise TypeError(f"{each!r} is neither a tool nor a source of tools")
            else:
                self._sources.append((each, Listing(f"the source {each!r}", _lister(each))))
        for skill in skills:
            if isinstance(skill, Skill):
                self._skills.append(skill)
            else:
                self._skills.append(Listing(f"the skills of {skill!r}", skill.list_skills))

    @property
    def own(self) -> Mapping[str, Listed]:
        return MappingProxyType(self._own)

    @property
    def found(self) -> Iterator[Listed]:
        """What the sources listed last."""
        return (listed for _, listing in self._sources for listed in listing.items)

    @property
    def skills(self) -> Iterator[Skill]:
        for each in self._skills:
            if isinstance(each, Listing):
                yield from each.items
            else:
                yield each

    def put(self, listed: Listed) -> None:
        """Raises ValueError for a second one of a name."""
        if listed.name in self._own:
            raise ValueError(f"two tools are named {listed.name!r}")
        self._own[listed.name] = listed

    def take(self, name: str) -> bool:
        """Whether it was here."""
        return self._own.pop(name, None) is not None

    def updates(self, turn: int) -> list[Coroutine[Any, Any, bool]]:
        """What is to be asked again, one coroutine each, which says whether something has changed."""
        versions = [(source.version, listing) for source, listing in self._sources]
        loaders = [(turn, each) for each in self._skills if isinstance(each, Listing)]
        wanted: list[tuple[Any, Listing[Any]]] = [*versions, *loaders]
        return [listing.update(version, turn) for version, listing in wanted if not listing.is_current(version, turn)]


def _lister(source: ToolSource) -> Callable[[], Awaitable[Sequence[Listed]]]:
    """Lists the tools of a source. One that no model can be told of is left out; one that is known stays the same."""
    known: dict[int, Listed] = {}

    def listed(tool: ToolBase) -> Listed | None:
        try:
            return known.get(id(tool)) or Listed(tool, trusted=source.trusted)
        except ValueError as error:
            log.warning("a tool of the source %r is left out: %s", source, error)
            return None

    async def ask() -> Sequence[Listed]:
        nonlocal known
        every = [each for tool in await source.tools() if (each := listed(tool)) is not None]
        known = {id(each.tool): each for each in every}
        return every

    return ask
