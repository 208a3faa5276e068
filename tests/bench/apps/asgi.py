"""What the bare apps share: one stream a subscriber, one dictionary of subscribers, no framework."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Start = Callable[[bytes, bytes], Coroutine[Any, Any, None]]


class Reader:
    """What one subscriber has not been sent."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.ready = asyncio.Event()

    def put(self, frames: bytes) -> None:
        self.waiting.append(frames)
        self.ready.set()

    async def take(self) -> list[bytes]:
        await self.ready.wait()
        self.ready.clear()
        taken, self.waiting = self.waiting, []
        return taken


class App:
    """``start`` is called with session and body of a chat request, and carried out beside it."""

    def __init__(self, start: Start, *, batch: bool) -> None:
        self._start = start
        self._batch = batch
        self._tasks: set[asyncio.Task[None]] = set()
        self.readers: dict[bytes, list[Reader]] = {}

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["path"] == "/stream":
            await self._stream(scope["query_string"], receive, send)
        else:
            if scope["path"] == "/chat":
                self.keep(self._start(scope["query_string"], (await receive())["body"]))
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"{}"})

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def put(self, session: bytes, frames: bytes) -> None:
        for reader in self.readers.get(session, ()):
            reader.put(frames)

    async def _stream(self, session: bytes, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        reader = Reader()
        self.readers.setdefault(session, []).append(reader)
        sending = asyncio.ensure_future(self._send_all(reader, send))
        try:
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self.readers[session].remove(reader)
            sending.cancel()

    async def _send_all(self, reader: Reader, send: Send) -> None:
        frames = [b":\n\n"]
        while True:
            for part in [b"".join(frames)] if self._batch else frames:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            frames = await reader.take()


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return
