"""The client that measures: HTTP/1.1 on bare asyncio, which costs little beside any service."""

import asyncio
import json
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, cast

from tests.bench.figures import now_us

# Method, path, headers and body (JSON, when it is not bytes).
Request = tuple[str, str, Mapping[str, str], Any]
# Is given a piece of a streamed body and the time at which it came.
Sink = Callable[[bytes, int], None]

_PATIENCE = 120.0
_SUCCESS = range(200, 300)


class Reply:
    """``body`` is what no sink has taken."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.body = b""

    def json(self) -> Any:
        return json.loads(self.body or b"null")


class Connection(asyncio.Protocol):
    """Carries one request at a time and stays open for the next one."""

    def __init__(self) -> None:
        self.alive = False
        self.head: asyncio.Future[Reply] | None = None
        self.whole: asyncio.Future[Reply] | None = None
        self._sink: Sink | None = None
        self._buffer = b""
        self._reply: Reply | None = None
        self._parts: list[bytes] = []
        self._left: int | None = None
        self._chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.alive = True
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive = False
        for waiting in (self.head, self.whole):
            if waiting is not None and not waiting.done():
                waiting.set_exception(ConnectionError("the connection was closed"))
                waiting.exception()  # nobody may be waiting for it

    def send(self, request: Request, sink: Sink | None = None) -> None:
        """``head`` is done when the status is here, ``whole`` when the body is, too."""
        method, path, headers, body = request
        loop = asyncio.get_running_loop()
        self.head, self.whole, self._sink, self._reply, self._parts = (
            loop.create_future(),
            loop.create_future(),
            sink,
            None,
            [],
        )
        fields = {"host": "bench", **headers}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            fields.setdefault("content-type", "application/json")
        if body is not None:
            fields["content-length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._transport.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + (body or b""))

    def data_received(self, data: bytes) -> None:
        at = now_us()
        self._buffer = self._buffer + data if self._buffer else data
        if self._reply is None and not self._begin():
            return
        if self._chunked:
            self._take_chunks(at)
        else:
            self._take_counted(at)

    def close(self) -> None:
        if self.alive:
            self._transport.close()

    def _begin(self) -> bool:
        """Read the head, once all of it is here."""
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self._buffer = rest
        self._reply = Reply(int(first.split(" ", 2)[1]), headers)
        self._chunked = "chunked" in headers.get("transfer-encoding", "")
        self._left = int(headers.get("content-length", 0))
        if self.head is not None:
            self.head.set_result(self._reply)
        return True

    def _take_counted(self, at: int) -> None:
        left = self._left or 0
        part, self._buffer = self._buffer[:left], self._buffer[left:]
        self._left = left - len(part)
        self._emit(part, at)
        if self._left == 0:
            self._end()

    def _take_chunks(self, at: int) -> None:
        buffer, place, parts, over = self._buffer, 0, [], False
        while (line := buffer.find(b"\r\n", place)) >= 0:
            size = int(buffer[place:line].split(b";")[0], 16)
            start = line + 2
            if len(buffer) < start + size + 2:
                break
            place = start + size + 2
            if size == 0:
                over = True
                break
            parts.append(buffer[start : start + size])
        self._buffer = buffer[place:]
        self._emit(b"".join(parts), at)
        if over:
            self._end()

    def _emit(self, part: bytes, at: int) -> None:
        if not part or self._reply is None:
            return
        if self._sink is not None and self._reply.status == 200:
            self._sink(part, at)
        else:
            self._parts.append(part)

    def _end(self) -> None:
        if self._reply is not None and self.whole is not None and not self.whole.done():
            self._reply.body = b"".join(self._parts)
            self.whole.set_result(self._reply)


class Http:
    """A pool of connections to a port of this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: deque[Connection] = deque()

    async def connection(self) -> Connection:
        while self._idle:
            connection = self._idle.popleft()
            if connection.alive:
                return connection
        _, made = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", self._port)
        return made

    async def call(self, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> Reply:
        """The answer, whatever its status."""
        connection = await self.connection()
        connection.send((method, path, headers, body))
        assert connection.whole is not None
        reply = await asyncio.wait_for(connection.whole, _PATIENCE)
        if reply.headers.get("connection", "").lower() == "close":
            connection.close()
        self.give_back(connection)
        return reply

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> Any:
        """What a successful answer says. Raises RuntimeError for another one."""
        reply = await self.call(method, path, headers, body)
        if reply.status not in _SUCCESS:
            raise RuntimeError(f"{method} {path} -> {reply.status} {reply.body[:300]!r}")
        return reply.json() if reply.body else None

    def give_back(self, connection: Connection) -> None:
        if connection.alive:
            self._idle.append(connection)

    def drop(self) -> None:
        while self._idle:
            self._idle.popleft().close()
