"""A wish that the reply ends: a signal of its own, so that cancellation keeps its meaning."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import TypeVar

from agentsvc.domain.runs import Stop

T = TypeVar("T")

_FORCE: Mapping[Stop, int] = {"step": 1, "now": 2, "discard": 3}


class Interrupted(Exception):
    """The reply was interrupted: while something was awaited, or between two steps."""


class Interruption:
    """Guards what a reply waits for, as ``with interruption: await …``. Guards may stand inside each other.

    A wish that is to be heard at once ends the wait with ``Interrupted``, and every later one as it begins. A wish for
    the end of the step ends no wait; ``between_steps`` hears of it. A cancellation of the task by anybody else passes
    through. The task that waits first is the one that may wait until ``reset``.

    ``heard`` guards what may still have something to tell after a wish. ``leaves`` is no such wish: the reply is to go
    on elsewhere after its step, and nothing of it is to end.
    """

    def __init__(self) -> None:
        self.leaves = False
        self._strength: Stop | None = None
        self._expired = False
        self._at_once = False
        self._task: asyncio.Task[object] | None = None
        self._depth = 0
        self._fired = False

    @property
    def requested(self) -> bool:
        """Whether the reply is to end, for whatever reason."""
        return self._strength is not None or self._expired

    @property
    def expired(self) -> bool:
        """Whether it is to end because its time is up: nobody had wished it before."""
        return self._expired

    @property
    def discards(self) -> bool:
        """Whether it is to be as if it had never been."""
        return self._strength == "discard" and not self._expired

    def request(self, strength: Stop = "now") -> None:
        """Somebody wishes the end. A weaker wish takes nothing from a stronger one."""
        if self._strength is None or _FORCE[self._strength] < _FORCE[strength]:
            self._strength = strength
        if strength != "step":
            self._break_off()

    def expire(self) -> None:
        """The time is up. What somebody has wished before is still the reason, but it is heard at once."""
        self._expired = self._expired or self._strength is None
        self._break_off()

    def reset(self) -> None:
        """The reply has ended; the next one is not meant."""
        self._strength = None
        self._expired = self._at_once = False
        self._task = None

    def between_steps(self) -> None:
        """Raises Interrupted when there is any wish; nothing is in progress here."""
        if self.requested:
            raise Interrupted

    async def heard(self, items: AsyncGenerator[T]) -> AsyncGenerator[T]:
        """The items, none of which is None, with a guard around the wait for each of them.

        It does not look for a wish as a wait begins: a guard inside has heard of it, and what that ends is still told.
        """
        async with aclosing(items):
            while True:
                self._watch()
                try:
                    item = await anext(items, None)
                except BaseException as error:
                    self.__exit__(type(error), error, None)
                    raise
                self.__exit__(None, None, None)
                if item is None:
                    return
                yield item

    def _break_off(self) -> None:
        if self._at_once:
            return
        self._at_once = True
        if self._task is not None and self._depth:
            self._fired = True
            self._task.cancel("interrupted")

    def __enter__(self) -> None:
        if self._at_once:
            raise Interrupted
        self._watch()

    def _watch(self) -> None:
        """A wait begins, which ``__exit__`` ends."""
        if self._task is None:  # asked once: there is a wait for every token
            self._task = asyncio.current_task()
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if not self._fired:
            return
        self._fired = False
        cancels_left = self._task.uncancel() if self._task is not None else 0
        if cancels_left == 0 and (kind is None or kind is asyncio.CancelledError):
            raise Interrupted from error


def was_cancelled() -> bool:
    """Whether this task was cancelled; a tool or a middleware may also have waited for something else that was."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
