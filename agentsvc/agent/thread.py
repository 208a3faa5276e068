"""A thread for one call of a synchronous tool, so that it does not hold up the event loop."""

import asyncio
import contextlib
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class ToolThread:
    """Does what it is handed, in order, in a copy of the caller's context variables.

    A thread of its own, not one of a pool: a pool that hanging tools fill stops everybody, and is waited for at exit.
    A step that has begun runs to its end, since a thread cannot be stopped; nobody waits for it after a cancellation.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._steps: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        Thread(target=self._work, name=name, daemon=True).start()

    async def do(self, step: Callable[[], T]) -> T:
        """What the step returns or raises."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._steps.put(partial(self._attempt, step, done))
        return await done

    def end(self, *last: Callable[[], object]) -> None:
        """The thread ends after what it was handed so far and these. Their outcome does not matter, nobody waits."""
        for step in last:
            self._steps.put(partial(self._try, step))
        self._steps.put(None)

    def _work(self) -> None:
        while (step := self._steps.get()) is not None:
            step()

    def _attempt(self, step: Callable[[], T], done: "asyncio.Future[T]") -> None:
        try:
            tell = partial(_settle, done, self._context.run(step))
        except StopIteration as error:  # a future cannot hold one
            tell = partial(_fail, done, RuntimeError(f"StopIteration: {error}"))
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is awaited
            tell = partial(_fail, done, error)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(tell)

    def _try(self, step: Callable[[], object]) -> None:
        with contextlib.suppress(BaseException):
            self._context.run(step)


def _settle(done: "asyncio.Future[T]", result: T) -> None:
    if not done.done():
        done.set_result(result)


def _fail(done: "asyncio.Future[T]", error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
