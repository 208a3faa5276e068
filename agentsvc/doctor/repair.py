"""Repairs: each looks again before it changes something, in the same step, and may be done twice."""

import logging
from collections.abc import Awaitable, Callable

import msgspec

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.queue import Ticket
from agentsvc.bus.survey import Asked
from agentsvc.bus.survey import Survey as Live
from agentsvc.doctor.findings import Finding, Kind
from agentsvc.doctor.queue import Patience
from agentsvc.doctor.records import created_us, listing_of
from agentsvc.doctor.shapes import Named, named
from agentsvc.domain.errors import AgentServiceError
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.domain.runs import RunRequest, decode_note
from agentsvc.kv.client import Redis
from agentsvc.kv.errors import Refused
from agentsvc.services.removal import Removal
from agentsvc.storage.keys import encoded
from agentsvc.storage.store import RedisStorage
from agentsvc.storage.survey import Listing
from agentsvc.storage.survey import Survey as Stored

_DAY_MS = 24 * 3600 * 1000  # as long as answers to requests are kept, and longer than anything else but runs

log = logging.getLogger(__name__)


class Repair:
    """Puts right what was found, as the service itself would."""

    def __init__(
        self, redis: Redis, storage: RedisStorage, bus: RedisMessageBus, *, run_keep_s: float, patience: Patience
    ) -> None:
        self._patience = patience
        self._run_keep_ms = int(run_keep_s * 1000)
        self._bus = bus
        self._live, self._stored = Live(redis), Stored(redis)
        self._removal = Removal(storage, bus)
        self._remedies: dict[Kind, Callable[[Finding], Awaitable[object]]] = {
            "orphan-key": lambda it: self._live.abandon(SessionId(it.session), it.key),
            "unowned-session": self._remove,
            "retired-session": self._remove,
            "dangling-entry": lambda it: self._stored.unlist(listing_of(_known(it), it.member)),
            "unlisted-record": self._enlist,
            "immortal-key": self._expire,
            "stuck-run": self._ask,
            "stranded-inbox": self._ask,
            "held-requests": self._admit,
            "silent-claim": self._again,
            "silent-worker": lambda it: self._bus.queue.forget(it.member.decode()),
            "dead-request": self._end,
            "unreadable-request": self._end,
            "late-announcement": lambda it: self._bus.queue.push(decode_note(it.member)),
            "late-removal": lambda it: self._removal.resume(it.member),
            "unreadable-note": lambda it: self._live.forget_note(it.key.decode(), it.member),
        }

    async def repair(self, finding: Finding) -> bool:
        """Says whether it is well now; False for what is left to a person."""
        remedy = self._remedies.get(finding.kind)
        if remedy is None:
            return False
        try:
            await remedy(finding)
        except (AgentServiceError, Refused, msgspec.MsgspecError, ValueError):
            log.exception("not repaired: %s", finding.kind)
            return False
        return True

    async def _remove(self, finding: Finding) -> None:
        """A head that has no owner goes without a record that could be looked for."""
        if finding.owner:
            await self._removal.session(OwnerId(finding.owner), SessionId(finding.session))
        else:
            await self._bus.heads.remove(SessionId(finding.session))

    async def _expire(self, finding: Finding) -> None:
        """Runs are the only keys that belong to a session and are kept for a time."""
        await self._stored.expire(finding.key, self._run_keep_ms if finding.session else _DAY_MS)

    async def _enlist(self, finding: Finding) -> None:
        (fields,) = await self._stored.fields([finding.key])
        name = encoded(_known(finding).places["id"]).encode()
        await self._stored.enlist(Listing(finding.member, name, finding.key), created_us(fields))

    async def _ask(self, finding: Finding) -> None:
        """Whoever takes the request looks whether there is something to do."""
        session_id = SessionId(finding.session)
        (standing,) = await self._live.standings([session_id])
        agent_id = AgentId(standing.agent)
        await self._bus.queue.push(RunRequest(owner=OwnerId(standing.owner), session_id=session_id, agent_id=agent_id))

    async def _admit(self, finding: Finding) -> None:
        asked = Asked(b"", OwnerId(finding.owner), None)
        await self._bus.queue.admit([_ticket(_shard_of(finding), asked)])

    async def _again(self, finding: Finding) -> None:
        """Nobody else may have the request by then: a worker that came back would lose it while it is at work."""
        shard, worker = _shard_of(finding), self._bus.worker
        if await self._live.seize(shard, finding.member, worker, self._patience.silent_ms):
            asked = await self._live.entry(shard, finding.member)
            await self._bus.queue.done(_ticket(shard, asked), asked.request)
            await self._bus.queue.forget(worker)

    async def _end(self, finding: Finding) -> None:
        shard = _shard_of(finding)
        await self._bus.queue.done(_ticket(shard, await self._live.entry(shard, finding.member)))


def _ticket(shard: int, asked: Asked) -> Ticket:
    """What cannot be read counts for its owner, as far as that can be read."""
    nobodys = RunRequest(owner=asked.owner, session_id=SessionId(""), agent_id=AgentId(""))
    return Ticket(shard, asked.entry, asked.request or nobodys, worker="")


def _shard_of(finding: Finding) -> int:
    return int(_known(finding).places["n"])


def _known(finding: Finding) -> Named:
    known = named(finding.key)
    if known is None:
        raise ValueError(finding.kind)
    return known
