"""The run queue: tickets that ask some worker to look at the inbox of a session."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct

from agentsvc.bus import keys
from agentsvc.bus.notes import Notes
from agentsvc.domain.errors import Overloaded
from agentsvc.domain.ids import OwnerId, SessionId
from agentsvc.domain.runs import RunRequest, decode_note, decode_request, encode_request, owner_of
from agentsvc.kv.client import Arg, Command, Redis
from agentsvc.kv.errors import Refused
from agentsvc.kv.scripts import Script

_PUSH = Script("agentsvc.bus", "push", "window")
_REFILL = Script("agentsvc.bus", "refill", "window")
_DONE = Script("agentsvc.bus", "done", "window")
_WAITING = Script("agentsvc.bus", "waiting", "window")
_FORGET = Script("agentsvc.bus", "forget")

WINDOW = 8  # unclaimed requests of one owner that may stand in front of those of others

_RETRY_S = 5  # when a queue that was full is worth another try
_AT_ONCE = 64  # stale claims a round trip, and requests that are let in for a worker with room
_START = b"0-0"
_LATE = 5.0  # seconds that the answer to a claim may be overdue

log = logging.getLogger(__name__)


class Ticket(Struct, frozen=True):
    """A run request that ``worker`` has claimed ('' when it does not matter who). It stays pending until ``done``;
    ``reclaimed``: another worker had claimed it before.
    """

    shard: int
    entry: bytes
    request: RunRequest
    worker: str
    reclaimed: bool = False


class Queue:
    """Run requests in ``shards`` streams, each read through one consumer group.

    Of each owner ``WINDOW`` unclaimed requests stand in a stream, or as many as there is room for at once; the others
    wait outside, so that claims go round the owners. ``max_queued`` is how many requests of a shard may wait before no
    more are to be accepted, ``max_runs_per_user`` how many of one owner and shard may be in play (0: any number).
    """

    def __init__(self, redis: Redis, shards: int, *, max_queued: int = 10_000, max_runs_per_user: int = 0) -> None:
        self._redis = redis
        self.shards = shards
        self._max_queued = max_queued
        self._most = max_runs_per_user
        self._waiting = [0] * shards
        self._claimed: set[tuple[int, OwnerId]] = set()
        self._unannounced = [Notes(redis, keys.accepting(shard)) for shard in range(shards)]

    async def open(self) -> None:
        """Make the consumer groups."""
        for shard in range(self.shards):
            with suppress(Refused):  # BUSYGROUP: it is there
                await self._redis.run("XGROUP", "CREATE", keys.runs(shard), keys.GROUP, "0", "MKSTREAM")

    async def check_room(self, session_id: SessionId) -> None:
        """Raise Overloaded when too many requests wait to accept one more.

        Only a queue that was full when this process last heard of it is asked: the limit may be passed by a few.
        """
        shard = keys.shard_of(session_id, self.shards)
        if self._waiting[shard] >= self._max_queued:
            self._waiting[shard] = await self.waiting(shard)
        if self._waiting[shard] >= self._max_queued:
            raise Overloaded(f"{self._waiting[shard]} requests wait already; try again later", retry_after=_RETRY_S)

    async def waiting(self, shard: int) -> int:
        """How many requests wait to be claimed."""
        waiting: int = await self._redis.call(_WAITING, keys.window(shard, ""), self._limits())
        return waiting

    async def push(self, request: RunRequest) -> None:
        """Ask for a run, and forget the note that it was to be asked for."""
        shard = keys.shard_of(request.session_id, self.shards)
        self._waiting[shard] = await self._redis.call(
            _PUSH,
            (*keys.window(shard, request.owner), keys.accepting(shard)),
            (*self._limits(), encode_request(request), request.note),
        )

    async def claim(self, shard: int, worker: str, limit: int, wait_ms: int) -> list[Ticket]:
        """Up to ``limit`` new requests; waits for the first one."""
        command = ("XREADGROUP", "GROUP", keys.GROUP, worker, "COUNT", limit, "BLOCK", wait_ms)
        try:
            heard = await self._redis.wait(*command, "STREAMS", keys.runs(shard), ">", within=wait_ms / 1000 + _LATE)
        except Refused as error:
            if not _groupless(error):
                raise
            await self.open()
            return []
        return await self._tickets(shard, worker, heard[0][1] if heard else [], reclaimed=False)

    async def reclaim(self, shard: int, worker: str, idle_ms: int, limit: int) -> list[Ticket]:
        """Up to ``limit`` requests of workers that have not been heard of for ``idle_ms``."""
        tickets: list[Ticket] = []
        place = _START
        while len(tickets) < limit:  # a call looks only so far, and the claims of the living may fill all that it sees
            count = min(_AT_ONCE, limit - len(tickets))
            place, entries, *_ = await self._redis.run(
                *("XAUTOCLAIM", keys.runs(shard), keys.GROUP, worker, idle_ms, place, "COUNT", count)
            )
            tickets += await self._tickets(shard, worker, entries, reclaimed=True)
            if place == _START:
                break
        return tickets

    async def admit(self, tickets: Sequence[Ticket] = (), room: int = 0) -> None:
        """Let in what waits behind these, which have been claimed; and behind those for which this failed before.

        The worker has ``room`` for so many runs more: whoever would be kept out for others would be so for nothing.
        """
        owners = self._claimed | {(ticket.shard, ticket.request.owner) for ticket in tickets}
        self._claimed = set()
        try:
            limits = self._limits(min(room, _AT_ONCE))
            await self._redis.each(*(self._redis.evalsha(_REFILL, keys.window(*each), limits) for each in owners))
        except BaseException:
            self._claimed |= owners
            raise

    async def touch(self, worker: str, tickets: list[Ticket]) -> None:
        """Say that these are still being worked on."""
        commands: list[Command] = []
        for shard in range(self.shards):
            entries = [ticket.entry for ticket in tickets if ticket.shard == shard]
            if entries:
                commands.append(("XCLAIM", keys.runs(shard), keys.GROUP, worker, 0, *entries, "JUSTID"))
        await self._redis.each(*commands)

    async def done(self, ticket: Ticket, instead: RunRequest | None = None) -> None:
        """The run has ended; ``instead`` takes the place of the request when it has not ended for good.

        Nothing happens when another worker has claimed it since.
        """
        raw = encode_request(instead) if instead else b""
        await self._end(ticket.shard, ticket.entry, ticket.request.owner, worker=ticket.worker, instead=raw)

    async def unannounced(self, seconds: float) -> list[RunRequest]:
        """Sessions that were noted for longer than that and may hold a message nobody was told of."""
        requests: list[RunRequest] = []
        for notes in self._unannounced:
            for note in await notes.overdue(seconds):
                try:
                    requests.append(decode_note(note))
                except msgspec.MsgspecError:
                    log.exception("unreadable note of a session dropped")
                    await notes.remove(note)
        return requests

    async def forget(self, worker: str) -> None:
        """Remove this consumer, if nothing is pending for it."""
        for shard in range(self.shards):
            try:
                await self._redis.call(_FORGET, (keys.runs(shard),), (keys.GROUP, worker))
            except Refused as error:
                if not _groupless(error):
                    raise

    async def _tickets(self, shard: int, worker: str, entries: list[Any], *, reclaimed: bool) -> list[Ticket]:
        tickets: list[Ticket] = []
        for entry, fields in entries:
            try:
                tickets.append(Ticket(shard, entry, decode_request(fields[1]), worker, reclaimed))
            except msgspec.MsgspecError:
                log.exception("unreadable run request %s dropped", entry.decode())
                await self._end(shard, entry, owner_of(fields[1]), worker=worker)
        return tickets

    async def _end(self, shard: int, entry: bytes, owner: OwnerId, *, worker: str, instead: bytes = b"") -> None:
        await self._redis.call(_DONE, keys.window(shard, owner), (*self._limits(), entry, instead, worker))

    def _limits(self, room: int = 0) -> tuple[Arg, ...]:
        return keys.GROUP, max(WINDOW, room), self._most


def _groupless(error: Refused) -> bool:
    """Whether Redis came back without the consumer group."""
    return "NOGROUP" in str(error)
