"""A person's wish that the reply ends: a signal of its own, so that cancellation keeps its meaning."""

import asyncio
from types import TracebackType


class Interrupted(Exception):
    """The reply was interrupted while something was awaited."""


class Interruption:
    """Guards what a reply waits for, as ``with interruption: await …``.

    ``request`` ends the wait with ``Interrupted``, and every later one at once. A cancellation of the task by anybody
    else passes through. The task that waits first is the one that may wait until ``reset``.
    """

    def __init__(self) -> None:
        self.requested = False
        self._task: asyncio.Task[object] | None = None
        self._waiting = False
        self._fired = False

    def request(self) -> None:
        if self.requested:
            return
        self.requested = True
        if self._task is not None and self._waiting:
            self._fired = True
            self._task.cancel("interrupted")

    def reset(self) -> None:
        """The reply has ended; the next one is not meant."""
        self.requested = False
        self._task = None

    def __enter__(self) -> None:
        if self.requested:
            raise Interrupted
        if self._task is None:  # asked once: there is a wait for every token
            self._task = asyncio.current_task()
        self._waiting = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting = False
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
