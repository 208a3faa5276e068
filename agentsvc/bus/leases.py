"""The right to write a session: taken for a time, numbered, checked by every write."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, cast

from msgspec import Struct

from agentsvc.bus import keys
from agentsvc.domain.errors import LeaseLost
from agentsvc.domain.ids import AgentId, OwnerId, RunId, SessionId, new_id
from agentsvc.domain.runs import RunRequest, Stop, name_of
from agentsvc.domain.sessions import Status
from agentsvc.kv.client import Redis
from agentsvc.kv.scripts import Script

_TAKE = Script("agentsvc.bus", "take")
_WRITE = Script("agentsvc.bus", "write")
_RENEW = Script("agentsvc.bus", "renew")
_RELEASE = Script("agentsvc.bus", "release")

Mark = Literal["", "start", "end", "next"]
Release = Literal["released", "waiting"] | Stop


class Grant(Struct, frozen=True):
    """The lease of a session, and the session as it stands.

    ``resumed`` says that an earlier holder did not finish its run, ``attempts`` how often that happened since its last
    reply ended, without its being handed over. ``token`` is that of this lease alone. ``known``: state and context are
    as the known lease left them, and left out here. ``inbox`` holds entry ids and inputs, oldest first. ``age_s`` is
    for how long the run has been at it since its last reply ended, or since it began; ``input_tokens`` and
    ``output_tokens`` are those that it has used, ``reply_id`` is what it wrote last. ``ahead_s`` is how far the clock
    of this host is ahead of that of Redis, which is the same for all workers.
    """

    session_id: SessionId
    owner: OwnerId
    agent_id: AgentId
    run_id: RunId
    token: str
    fence: int
    seq: int
    resumed: bool
    attempts: int
    stop: Stop | None
    known: bool
    state: bytes
    context: list[bytes]
    inbox: list[tuple[bytes, bytes]]
    age_s: float = 0
    input_tokens: int = 0
    output_tokens: int = 0
    reply_id: str = ""
    ahead_s: float = 0


class Busy(Struct, frozen=True):
    """Somebody else holds the session for at least ``seconds`` more."""

    seconds: float


class Entry(Struct, frozen=True, kw_only=True):
    """What one write moves besides events.

    ``mark`` says that the events open or close a reply, ``next`` that they close one and what it kept waiting is
    answered now; ``done`` are inbox entries that have been taken in; ``keep`` is how many messages of the context stay
    before ``context`` is appended (-1: all); ``messages`` are those of the transcript that are new or have changed, as
    id and JSON, or that go, with nothing. ``kept`` is how many messages the state keeps for later (-1: as before);
    ``run`` are fields of the run and their values.
    """

    mark: Mark = ""
    done: Sequence[bytes] = ()
    keep: int = -1
    context: Sequence[bytes] = ()
    messages: Sequence[tuple[str, bytes]] = ()
    state: bytes = b""
    kept: int = -1
    run: Mapping[str, str | bytes | int] = {}


class Heard(Struct, frozen=True):
    """What a write tells: the stop that was asked for, and how many entries wait in the inbox."""

    stop: Stop | None
    waiting: int


class Renewal(NamedTuple):
    """Whether a lease is still held, and the stop that was asked for."""

    held: bool
    stop: Stop | None


_LOST = Renewal(held=False, stop=None)


class Leases:
    """``lease_s`` is how long a holder that falls silent keeps the session, ``run_keep_s`` how long a run is kept after
    its end.
    """

    def __init__(self, redis: Redis, lease_s: float, log_keep: int, *, run_keep_s: float) -> None:
        self._redis = redis
        self._lease_ms = int(lease_s * 1000)
        self._log_keep = log_keep
        self._run_keep_ms = int(run_keep_s * 1000)

    async def take(self, request: RunRequest, worker: str, known: str = "") -> Grant | Busy | None:
        """The lease, if something is to be done; None when the session is idle, gone or not of this owner and agent.

        State and context are not read when nobody has held the session since the lease whose token is ``known``.
        """
        names, token = keys.of_session(request.session_id), new_id()
        reply = await self._redis.call(
            _TAKE,
            (names.head, names.inbox, names.state, names.context, names.runs),
            (
                request.owner,
                request.agent_id,
                worker,
                token,
                self._lease_ms,
                request.run_id,
                known,
                request.cause,
                names.run,
            ),
        )
        match reply[0]:
            case b"granted":
                return _grant(request, token, reply)
            case b"busy":
                return Busy(int(reply[1]) / 1000)
            case _:
                return None

    async def write(self, grant: Grant, first_seq: int, events: Sequence[bytes], entry: Entry) -> Heard:
        """Append events and move what ``entry`` says, in one step.

        Safe to repeat. Raises LeaseLost when somebody else has taken the session, or it is gone.
        """
        names = keys.of_session(grant.session_id)
        messages = [word for pair in entry.messages for word in pair]
        run = [word for pair in entry.run.items() for word in pair]
        reply = await self._redis.call(
            _WRITE,
            (
                names.head,
                names.log,
                names.replies,
                names.inbox,
                names.context,
                names.messages,
                names.order,
                names.state,
                names.channel,
                names.run + name_of(grant.run_id),
            ),
            (
                grant.fence,
                self._lease_ms,
                entry.keep,
                first_seq,
                entry.mark,
                self._log_keep,
                entry.state,
                entry.kept,
                len(events),
                *events,
                len(entry.done),
                *entry.done,
                len(entry.context),
                *entry.context,
                len(messages),
                *messages,
                len(run),
                *run,
            ),
        )
        if reply[0] != 1:
            raise LeaseLost(f"session {grant.session_id}: fence {grant.fence}, reply {reply}")
        return Heard(_stop(reply[1]), reply[2])

    async def renew(self, grants: Sequence[Grant]) -> list[Renewal]:
        """Prolong many leases in one round trip: what became of each."""
        replies = await self._redis.each(
            *(
                self._redis.evalsha(_RENEW, (keys.of_session(grant.session_id).head,), (grant.fence, self._lease_ms))
                for grant in grants
            )
        )
        return [Renewal(held=True, stop=_stop(reply[1])) if reply[0] == 1 else _LOST for reply in replies]

    async def release(self, grant: Grant, status: Status) -> Release:
        """Give the lease back with the status that stays, unless something new waits or a parked reply shall stop: then
        the holder stays, and is told how it shall stop.

        The status ``running`` hands an unfinished run over. Raises LeaseLost.
        """
        names = keys.of_session(grant.session_id)
        reply = await self._redis.call(
            _RELEASE,
            (names.head, names.inbox, names.runs, names.run + name_of(grant.run_id)),
            (grant.fence, status, self._run_keep_ms, names.run),
        )
        if reply == b"lost":
            raise LeaseLost(f"session {grant.session_id}: fence {grant.fence}")
        return cast("Release", reply.decode())


def _stop(reply: bytes) -> Stop | None:
    return cast("Stop", reply.decode()) if reply else None


def _grant(request: RunRequest, token: str, reply: list[Any]) -> Grant:
    (
        _,
        fence,
        seq,
        run_id,
        resumed,
        attempts,
        stop,
        known,
        state,
        context,
        inbox,
        age_ms,
        used,
        made,
        reply_id,
        now_ms,
    ) = reply
    return Grant(
        session_id=request.session_id,
        owner=request.owner,
        agent_id=request.agent_id,
        run_id=RunId(run_id.decode()),
        token=token,
        attempts=attempts,
        fence=fence,
        seq=seq,
        resumed=bool(resumed),
        stop=_stop(stop),
        known=bool(known),
        state=state,
        context=context,
        inbox=[(entry, fields[1]) for entry, fields in inbox],
        age_s=age_ms / 1000,
        input_tokens=used,
        output_tokens=made,
        reply_id=reply_id.decode(),
        ahead_s=time.time() - now_ms / 1000,
    )
