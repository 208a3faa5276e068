"""A subscriber: it counts the events of a stream, reads the tokens in them and sees the end of a reply."""

import asyncio
import re
from typing import Self

from tests.bench.figures import Row
from tests.bench.wire import Connection, Http, Reply, Request

_TOKEN = re.compile(rb"#(\d{6}):(\d{16})#")
_PATIENCE = 60.0


class Subscriber:
    """``text`` finds the text of an event in its first group, ``is_end`` is found in the event that ends a reply.

    A token may be cut by the end of one event and go on in the next.
    ``tokens`` are their numbers in the order in which they came, ``at`` and ``lag`` when that was and how long after
    the model had let each one go. ``first_at`` is the first event's time, ``first_token_at`` the first token's,
    ``last_at`` the end's; ``let_go_at`` is when the model let the first token go. All times are microseconds.
    """

    def __init__(self, text: re.Pattern[bytes], is_end: bytes) -> None:
        self._text = text
        self._is_end = is_end
        self._buffer = b""
        self._separator = b""
        self._connection: Connection | None = None
        self.broken = False
        self.ended = asyncio.Event()
        self.reset()

    def reset(self) -> None:
        """Forget what came so far."""
        self.events = 0
        self.bytes = 0
        self.tokens: list[int] = []
        self.lag: list[int] = []
        self.at: list[int] = []
        self.first_at: int | None = None
        self.first_token_at = 0
        self.let_go_at = 0
        self.last_at = 0
        self._cut = b""
        self.ended.clear()

    async def open(self, http: Http, request: Request) -> Self:
        """Done when the head of the response is here."""
        self._connection = connection = await http.connection()
        connection.send(request, self.feed)
        assert connection.head is not None
        assert connection.whole is not None
        head = await asyncio.wait_for(connection.head, _PATIENCE)
        if head.status != 200:
            refused = await asyncio.wait_for(connection.whole, _PATIENCE)
            raise RuntimeError(f"stream {request[1]} -> {refused.status} {refused.body[:300]!r}")
        connection.whole.add_done_callback(self._over)
        return self

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def feed(self, piece: bytes, at: int) -> None:
        self.bytes += len(piece)
        whole = self._buffer + piece if self._buffer else piece
        if not self._separator:
            if b"\n" not in whole:
                self._buffer = whole
                return
            self._separator = b"\r\n\r\n" if b"\r\n" in whole else b"\n\n"
        *events, self._buffer = whole.split(self._separator)
        for event in events:
            if b"data:" in event:  # no comment
                self._event(event, at)

    def faults(self, count: int) -> Row:
        """What is wrong when each of ``count`` tokens was wanted, once and in order."""
        seen = len(set(self.tokens))
        return {
            "missing": count - seen,
            "duplicated": len(self.tokens) - seen,
            "disordered": sum(late < early for early, late in zip(self.tokens, self.tokens[1:], strict=False)),
        }

    def _event(self, event: bytes, at: int) -> None:
        self.events += 1
        if self.first_at is None:
            self.first_at = at
        if text := self._text.search(event):
            self._read(self._cut + text[1], at)
        if self._is_end in event:
            self.last_at = at
            self.ended.set()

    def _read(self, text: bytes, at: int) -> None:
        end = 0
        for token in _TOKEN.finditer(text):
            let_go = int(token[2])
            if not self.tokens:
                self.first_token_at, self.let_go_at = at, let_go
            self.tokens.append(int(token[1]))
            self.lag.append(at - let_go)
            self.at.append(at)
            end = token.end()
        self._cut = text[end:]

    def _over(self, _: asyncio.Future[Reply]) -> None:
        """The response is over; before the end of a reply that is a fault."""
        if not self.ended.is_set():
            self.broken = True
            self.ended.set()
