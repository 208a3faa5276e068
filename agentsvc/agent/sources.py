"""Where tools and skills come from that can change while an agent works, and what they gave last."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar

from agentsvc.agent.interruption import was_cancelled
from agentsvc.agent.tool import ToolBase

log = logging.getLogger(__name__)

T = TypeVar("T")

_NEVER = object()


class ToolSource(Protocol):
    """Tools that somebody else lists, such as a server.

    ``version`` costs nothing and changes whenever ``tools`` may answer differently: only then it is asked again. A
    failed listing is tried again in the next turn. How long one may take is for the source to limit.

    ``trusted``: what its tools say of themselves, such as that they only read, is believed. If not, each call is asked
    about unless a rule or the mode says otherwise.
    """

    @property
    def trusted(self) -> bool: ...

    @property
    def version(self) -> Hashable: ...

    async def tools(self) -> Sequence[ToolBase]: ...


class Listing(Generic[T]):
    """What was listed last. ``ask`` is called when the version is another, or in another turn after a failure."""

    def __init__(self, what: str, ask: Callable[[], Awaitable[Sequence[T]]]) -> None:
        self.items: tuple[T, ...] = ()
        self._what = what
        self._ask = ask
        self._seen: object = _NEVER
        self._failed_in: int | None = None

    def is_current(self, version: object, turn: int) -> bool:
        return self._seen == version and self._failed_in in (None, turn)

    async def update(self, version: object, turn: int) -> bool:
        """Whether there are other items now. A listing that fails gives none, and never stops a reply."""
        before = self.items
        try:
            self.items, self._failed_in = tuple(await self._ask()), None
        except (Exception, asyncio.CancelledError) as error:  # sources are other people's code
            if was_cancelled():
                raise
            log.warning("%s cannot be listed and is left out: %s", self._what, error)
            self.items, self._failed_in = (), turn
        self._seen = version
        return self.items != before
