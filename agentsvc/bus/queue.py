"""The run queue: tickets that ask some worker to look at the inbox of a session."""

import logging
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import Struct

from agentsvc.bus import keys
from agentsvc.bus.notes import Notes
from agentsvc.domain.runs import RunRequest, decode_note, decode_request, encode_request
from agentsvc.kv.client import Command, Redis
from agentsvc.kv.errors import Refused
from agentsvc.kv.scripts import Script

_PUSH = Script("agentsvc.bus", "push")
_DONE = Script("agentsvc.bus", "done")
_FORGET = Script("agentsvc.bus", "forget")

_AT_ONCE = 64  # stale claims a round trip
_START = b"0-0"
_LATE = 5.0  # seconds that the answer to a claim may be overdue

log = logging.getLogger(__name__)


class Ticket(Struct, frozen=True):
    """A claimed run request. It stays pending until ``done``; ``reclaimed``: another worker had claimed it before."""

    shard: int
    entry: bytes
    request: RunRequest
    reclaimed: bool = False


class Queue:
    """Run requests in ``shards`` streams, each read through one consumer group."""

    def __init__(self, redis: Redis, shards: int) -> None:
        self._redis = redis
        self.shards = shards
        self._unannounced = [Notes(redis, keys.accepting(shard)) for shard in range(shards)]

    async def open(self) -> None:
        """Make the consumer groups."""
        for shard in range(self.shards):
            with suppress(Refused):  # BUSYGROUP: it is there
                await self._redis.run("XGROUP", "CREATE", keys.runs(shard), keys.GROUP, "0", "MKSTREAM")

    async def push(self, request: RunRequest) -> None:
        """Ask for a run, and forget the note that it was to be asked for."""
        shard = keys.shard_of(request.session_id, self.shards)
        await self._redis.call(
            _PUSH, (keys.runs(shard), keys.accepting(shard)), (encode_request(request), request.note)
        )

    async def claim(self, shard: int, worker: str, limit: int, wait_ms: int) -> list[Ticket]:
        """Up to ``limit`` new requests; waits for the first one."""
        command = ("XREADGROUP", "GROUP", keys.GROUP, worker, "COUNT", limit, "BLOCK", wait_ms)
        try:
            heard = await self._redis.wait(*command, "STREAMS", keys.runs(shard), ">", within=wait_ms / 1000 + _LATE)
        except Refused as error:
            if "NOGROUP" not in str(error):
                raise
            await self.open()  # Redis came back without it
            return []
        return await self._tickets(shard, heard[0][1] if heard else [], reclaimed=False)

    async def reclaim(self, shard: int, worker: str, idle_ms: int, limit: int) -> list[Ticket]:
        """Up to ``limit`` requests of workers that have not been heard of for ``idle_ms``."""
        tickets: list[Ticket] = []
        place = _START
        while len(tickets) < limit:  # a call looks only so far, and the claims of the living may fill all that it sees
            count = min(_AT_ONCE, limit - len(tickets))
            place, entries, *_ = await self._redis.run(
                *("XAUTOCLAIM", keys.runs(shard), keys.GROUP, worker, idle_ms, place, "COUNT", count)
            )
            tickets += await self._tickets(shard, entries, reclaimed=True)
            if place == _START:
                break
        return tickets

    async def touch(self, worker: str, tickets: list[Ticket]) -> None:
        """Say that these are still being worked on."""
        commands: list[Command] = []
        for shard in range(self.shards):
            entries = [ticket.entry for ticket in tickets if ticket.shard == shard]
            if entries:
                commands.append(("XCLAIM", keys.runs(shard), keys.GROUP, worker, 0, *entries, "JUSTID"))
        await self._redis.each(*commands)

    async def done(self, ticket: Ticket, instead: RunRequest | None = None) -> None:
        """The run has ended; ``instead`` takes the place of the request when it has not ended for good."""
        await self._redis.call(
            _DONE,
            (keys.runs(ticket.shard),),
            (keys.GROUP, ticket.entry, encode_request(instead) if instead else b""),
        )

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
            await self._redis.call(_FORGET, (keys.runs(shard),), (keys.GROUP, worker))

    async def _tickets(self, shard: int, entries: list[Any], *, reclaimed: bool) -> list[Ticket]:
        tickets: list[Ticket] = []
        for entry, fields in entries:
            try:
                tickets.append(Ticket(shard, entry, decode_request(fields[1]), reclaimed))
            except msgspec.MsgspecError:
                log.exception("unreadable run request %s dropped", entry.decode())
                await self._redis.call(_DONE, (keys.runs(shard),), (keys.GROUP, entry, b""))
        return tickets
