"""The event log of a session: what happened, in order, numbered without gaps."""

from typing import NamedTuple

from msgspec import Struct

from agentsvc.bus import keys
from agentsvc.domain.errors import NotFound
from agentsvc.domain.ids import SessionId
from agentsvc.kv.client import Redis


class Bounds(Struct, frozen=True):
    """``oldest`` is the first seq that is still there (``latest + 1`` when none is), ``latest`` the last one given."""

    oldest: int
    latest: int


class Page(NamedTuple):
    """Seq and JSON of events, in order; ``latest`` is the last seq given, whether it is among them or not."""

    events: list[tuple[int, bytes]]
    latest: int


class Log:
    """Reads what the fenced write appends."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self, session_id: SessionId, after: int, limit: int) -> Page:
        """Up to ``limit`` events after a seq. Raises NotFound when the session is gone."""
        names = keys.of_session(session_id)
        entries, (owner, seq) = await self._redis.all(
            ("XRANGE", names.log, f"({after}-0", "+", "COUNT", limit), ("HMGET", names.head, "owner", "seq")
        )
        if owner is None:
            raise NotFound("session not found")
        return Page([(int(entry[:-2]), fields[1]) for entry, fields in entries], int(seq or 0))

    async def bounds(self, session_id: SessionId) -> Bounds:
        names = keys.of_session(session_id)
        first, seq = await self._redis.all(("XRANGE", names.log, "-", "+", "COUNT", 1), ("HGET", names.head, "seq"))
        latest = int(seq or 0)
        return Bounds(int(first[0][0][:-2]) if first else latest + 1, latest)
