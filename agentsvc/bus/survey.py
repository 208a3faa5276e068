"""What is happening across all owners, as an operator sees it. Nothing here is for a service."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from agentsvc.bus import keys
from agentsvc.bus.notes import Notes
from agentsvc.domain.ids import OwnerId, SessionId
from agentsvc.domain.runs import RunRequest, decode_request, owner_of
from agentsvc.kv.client import Command, Redis
from agentsvc.kv.scripts import Script

_STANDING = Script("agentsvc.bus", "standing")
_ABANDON = Script("agentsvc.bus", "abandon")

_AT_ONCE = 500  # entries a round trip


class Standing(Struct, frozen=True):
    """How a session stands: ``held`` by a lease that is not over, ``oldest`` the entry that has waited longest.

    ``retired`` is the owner of a session that is about to be removed, whose ``owner`` is empty by then.
    """

    owner: str
    agent: str
    retired: str
    fence: str
    status: str
    held: bool
    oldest: str

    @property
    def running(self) -> bool:
        return self.status == "running"


class Asked(NamedTuple):
    """An entry of the queue and whose it is; its request is None when it cannot be read."""

    entry: bytes
    owner: OwnerId
    request: RunRequest | None

    @property
    def at_ms(self) -> int:
        """When it came into the stream."""
        return int(self.entry.partition(b"-")[0])


class Claimed(NamedTuple):
    """A request that a worker has claimed and not renewed for a time."""

    entry: bytes
    worker: bytes


class Consumer(NamedTuple):
    """A worker that has read from a shard; ``present``: it says itself that it is there."""

    worker: bytes
    idle_ms: int
    present: bool


class Survey:
    """Reads in batches of a bounded size, so that the service goes on beside it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def standings(self, session_ids: Sequence[SessionId]) -> list[Standing]:
        names = [keys.of_session(session_id) for session_id in session_ids]
        replies = await self._redis.each(*(self._redis.evalsha(_STANDING, (each.head, each.inbox)) for each in names))
        return [_standing(*reply) for reply in replies]

    async def alive(self, session_ids: Sequence[SessionId]) -> set[SessionId]:
        """Those that have a head."""
        replies = await self._redis.each(*(("EXISTS", keys.of_session(each).head) for each in session_ids))
        return {session_id for session_id, there in zip(session_ids, replies, strict=True) if there}

    async def unending(self, runs: Sequence[bytes]) -> list[bytes]:
        """The keys of those runs that have ended and are kept for ever."""
        commands: list[Command] = [words for run in runs for words in (("HEXISTS", run, "ended"), ("PTTL", run))]
        replies = await self._redis.each(*commands)
        return [run for run, ended, life in zip(runs, replies[::2], replies[1::2], strict=True) if ended and life == -1]

    async def abandon(self, session_id: SessionId, key: bytes) -> bool:
        """Delete a key of a session that has no head; says whether that was done."""
        return bool(await self._redis.call(_ABANDON, (keys.of_session(session_id).head, key)))

    async def asked(self, shard: int) -> AsyncGenerator[list[Asked]]:
        """All requests of a shard, claimed or not, oldest first."""
        after = "-"
        while entries := await self._redis.run("XRANGE", keys.runs(shard), after, "+", "COUNT", _AT_ONCE):
            yield [_asked(*entry) for entry in entries]
            after = f"({entries[-1][0].decode()}"

    async def now_ms(self) -> int:
        """The time by the clock of Redis."""
        seconds, micros = await self._redis.run("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    async def entry(self, shard: int, entry: bytes) -> Asked:
        """One entry of a shard, which may be gone."""
        found = await self._redis.run("XRANGE", keys.runs(shard), entry, entry)
        return _asked(*found[0]) if found else Asked(entry, OwnerId(""), None)

    async def holding(self, shard: int, owners: Sequence[OwnerId]) -> set[OwnerId]:
        """Those of which something waits outside the stream."""
        replies = await self._redis.each(*(("EXISTS", keys.held(shard, owner)) for owner in owners))
        return {owner for owner, there in zip(owners, replies, strict=True) if there}

    async def held(self, shard: int, owner: OwnerId) -> AsyncGenerator[list[RunRequest]]:
        """All requests of an owner that wait outside the stream. They come in one by one, from the front."""
        start = 0
        while found := await self._redis.run("LRANGE", keys.held(shard, owner), -start - _AT_ONCE, -start - 1):
            yield [request for request in map(_request, found) if request is not None]
            start += _AT_ONCE

    async def silent(self, shard: int, idle_ms: int) -> list[Claimed]:
        """Up to 500 requests that were claimed, and not renewed for that long."""
        if not await self._grouped(shard):
            return []
        found = await self._redis.run(*("XPENDING", keys.runs(shard), keys.GROUP, "IDLE", idle_ms, "-", "+", _AT_ONCE))
        return [Claimed(entry, worker) for entry, worker, *_ in found]

    async def seize(self, shard: int, entry: bytes, worker: str, idle_ms: int) -> bool:
        """Claim a request that was not renewed for so long; False when somebody else has it, or it has ended."""
        words = (keys.runs(shard), keys.GROUP, worker, idle_ms, entry, "JUSTID")
        return bool(await self._redis.run("XCLAIM", *words))

    async def consumers(self, shard: int) -> list[Consumer]:
        """All workers that have read from a shard and were not forgotten."""
        if not await self._grouped(shard):
            return []
        found = await self._redis.run("XINFO", "CONSUMERS", keys.runs(shard), keys.GROUP)
        fields = [dict(zip(each[::2], each[1::2], strict=True)) for each in found]
        names = [each[b"name"].decode(errors="replace") for each in fields]
        present = await self._redis.each(*(("EXISTS", keys.presence(name)) for name in names))
        return [
            Consumer(each[b"name"], each[b"idle"], bool(there)) for each, there in zip(fields, present, strict=True)
        ]

    def noted(self, key: str) -> AsyncGenerator[list[bytes]]:
        """All members of a set of notes; one that is there all the time is found."""
        return self._redis.members(key)

    async def overdue(self, key: str, seconds: float) -> list[bytes]:
        """Up to 500 members whose time was longer ago than that, oldest first."""
        return await Notes(self._redis, key).overdue(seconds, _AT_ONCE)

    async def forget_note(self, key: str, member: bytes) -> None:
        await Notes(self._redis, key).remove(member)

    async def _grouped(self, shard: int) -> bool:
        """Whether workers have ever read from it."""
        if not await self._redis.run("EXISTS", keys.runs(shard)):
            return False
        groups = await self._redis.run("XINFO", "GROUPS", keys.runs(shard))
        return any(keys.GROUP.encode() in each for each in groups)


def _standing(*reply: Any) -> Standing:
    owner, agent, retired, fence, status, held, oldest = reply
    return Standing(
        _text(owner), _text(agent), _text(retired), _text(fence), _text(status), held=bool(held), oldest=_text(oldest)
    )


def _text(field: bytes) -> str:
    return field.decode(errors="replace")


def _asked(entry: bytes, fields: list[bytes] | None) -> Asked:
    raw = fields[1] if fields and len(fields) > 1 else b""
    return Asked(entry, owner_of(raw), _request(raw))


def _request(raw: bytes) -> RunRequest | None:
    try:
        return decode_request(raw)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
