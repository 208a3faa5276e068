"""Server-sent events, as far as model providers use them: the data of each event, in order.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""


class TooLong(ValueError):
    """One event is longer than the parser may keep."""


class EventParser:
    """Takes a stream in pieces that may be cut anywhere. What an event is called and when to reconnect is left out.

    Lines end with LF or CRLF. The work is linear in the bytes, however small the pieces are.
    """

    __slots__ = ("_data", "_held", "_limit", "_tail")

    def __init__(self, limit: int) -> None:
        """``limit`` is in bytes, for one event."""
        self._limit = limit
        self._held = 0
        self._tail: list[bytes] = []
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of the events that this piece completes. Raises ``TooLong``."""
        if b"\n" not in piece:
            self._hold(len(piece))
            self._tail.append(piece)
            return []
        first, *lines = piece.split(b"\n")
        if self._tail:
            first = self._joined(first)
        last = lines.pop()
        events: list[bytes] = []
        self._line(first, events)
        for line in lines:
            self._line(line, events)
        if last:
            self._hold(len(last))
            self._tail.append(last)
        return events

    def _joined(self, end: bytes) -> bytes:
        start = b"".join(self._tail)
        self._tail.clear()
        self._held -= len(start)
        return start + end

    def _line(self, line: bytes, events: list[bytes]) -> None:
        line = line.removesuffix(b"\r")
        if not line:
            self._dispatch(events)
        elif line.startswith(b"data:"):
            self._hold(len(line))
            self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])

    def _dispatch(self, events: list[bytes]) -> None:
        if self._data:
            events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
            self._data.clear()
        self._held = 0

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self._limit:
            raise TooLong(f"an event of more than {self._limit} bytes")
