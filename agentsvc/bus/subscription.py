"""What one subscriber has not read yet of the live events of a session."""

import asyncio
from collections import deque
from collections.abc import Sequence

HEARTBEAT = b":\n\n"


def frame(seq: int, event: bytes) -> bytes:
    """An event as server-sent events have it; JSON holds no line break."""
    return b"id: %d\ndata: %b\n\n" % (seq, event)


class Batch:
    """Events that were appended together, framed once for all subscribers."""

    __slots__ = ("first", "frames", "last", "whole")

    def __init__(self, first: int, events: Sequence[bytes]) -> None:
        self.first = first
        self.last = first + len(events) - 1
        self.frames = [frame(seq, event) for seq, event in enumerate(events, first)]
        self.whole = b"".join(self.frames)


class Subscription:
    """What one subscriber has not read yet.

    Beyond ``limit`` bytes nothing is kept: the subscription is ``lost``, and so it is when the connection was, and the
    reader goes back to the log. ``ended`` says that nothing will come any more.
    """

    __slots__ = ("_batches", "_beat", "_limit", "_size", "_waiter", "ended", "lost")

    def __init__(self, limit: int) -> None:
        self.lost = False
        self.ended = False
        self._beat = False
        self._limit = limit
        self._size = 0
        self._batches: deque[Batch] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def take(self, cursor: int) -> tuple[int, bytes]:
        """All that is there after ``cursor``, and the new cursor. A heartbeat, or nothing, when no event is."""
        parts: list[bytes] = []
        while self._batches:
            batch = self._batches.popleft()
            if batch.first == cursor + 1:
                parts.append(batch.whole)
            elif batch.last <= cursor:
                continue
            elif batch.first <= cursor:
                parts += batch.frames[cursor + 1 - batch.first :]
            else:
                self.lose()
                break
            cursor = batch.last
        self._size = 0
        if parts:
            self._beat = False
            return cursor, b"".join(parts) if len(parts) > 1 else parts[0]
        beat, self._beat = self._beat, False
        return cursor, HEARTBEAT if beat else b""

    async def wait(self) -> None:
        """Until there is something to take, or the subscription is lost or ended."""
        if self._batches or self._beat or self.lost or self.ended:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def renew(self) -> None:
        """Start to keep events again; the reader turns to the log for what it has missed."""
        self.lost = False

    def put(self, batch: Batch) -> None:
        if not self.lost:
            self._batches.append(batch)
            self._size += len(batch.whole)
            if self._size > self._limit:
                self.lose()
        self.wake()

    def lose(self) -> None:
        self._batches.clear()
        self._size = 0
        self.lost = True
        self.wake()

    def end(self) -> None:
        self.ended = True
        self.wake()

    def beat(self) -> None:
        self._beat = True
        self.wake()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
