"""The right to write a session: taken for a time, numbered, checked by every write."""

from collections.abc import Sequence
from typing import Any, Literal, cast

from msgspec import Struct

from agentsvc.bus import keys
from agentsvc.domain.errors import LeaseLost
from agentsvc.domain.ids import AgentId, OwnerId, RunId, SessionId, new_id
from agentsvc.domain.runs import RunRequest
from agentsvc.domain.sessions import Status
from agentsvc.kv.client import Redis
from agentsvc.kv.scripts import Script

_TAKE = Script("agentsvc.bus", "take")
_WRITE = Script("agentsvc.bus", "write")
_RENEW = Script("agentsvc.bus", "renew")
_RELEASE = Script("agentsvc.bus", "release")

Mark = Literal["", "start", "end", "next"]
Release = Literal["released", "waiting", "stop"]


class Grant(Struct, frozen=True):
    """The lease of a session, and the session as it stands.

    ``resumed`` says that an earlier holder did not finish its run, ``attempts`` how often that happened without its
    being handed over. ``token`` is that of this lease alone. ``known``: state and context are as the known lease left
    them, and left out here. ``inbox`` holds entry ids and inputs, oldest first.
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
    stop: bool
    known: bool
    state: bytes
    context: list[bytes]
    inbox: list[tuple[bytes, bytes]]


class Busy(Struct, frozen=True):
    """Somebody else holds the session for at least ``seconds`` more."""

    seconds: float


class Entry(Struct, frozen=True, kw_only=True):
    """What one write moves besides events.

    ``mark`` says that the events open or close a reply, ``next`` that they close one and what it kept waiting is
    answered now; ``done`` are inbox entries that have been taken in; ``keep`` is how many messages of the context stay
    before ``context`` is appended (-1: all); ``messages`` are those of the transcript that are new or have changed, as
    id and JSON.
    """

    mark: Mark = ""
    done: Sequence[bytes] = ()
    keep: int = -1
    context: Sequence[bytes] = ()
    messages: Sequence[tuple[str, bytes]] = ()
    state: bytes = b""


class Leases:
    """``lease_s`` is how long a holder that falls silent keeps the session, ``run_keep_s`` how long a run is kept after
    its end.
    """

    def __init__(self, redis: Redis, lease_s: float, log_keep: int, *, run_keep_s: float) -> None:
        self._redis = redis
        self._run_keep_ms = int(run_keep_s * 1000)
        self._lease_ms = int(lease_s * 1000)
        self._log_keep = log_keep

    async def take(self, request: RunRequest, worker: str, known: str = "") -> Grant | Busy | None:
        """The lease, if something is to be done; None when the session is idle, gone or not of this owner and agent.

        State and context are not read when nobody has held the session since the lease whose token is ``known``.
        """
        names, token = keys.of_session(request.session_id), new_id()
        reply = await self._redis.call(
            _TAKE,
            (names.head, names.inbox, names.state, names.context),
            (request.owner, request.agent_id, worker, token, self._lease_ms, request.run_id, known),
        )
        match reply[0]:
            case b"granted":
                return _grant(request, token, reply)
            case b"busy":
                return Busy(int(reply[1]) / 1000)
            case _:
                return None

    async def write(
        self, session_id: SessionId, fence: int, first_seq: int, events: Sequence[bytes], entry: Entry
    ) -> bool:
        """Append events and move what ``entry`` says, in one step; says whether a stop was asked for.

        Safe to repeat. Raises LeaseLost when somebody else has taken the session, or it is gone.
        """
        names = keys.of_session(session_id)
        messages = [word for pair in entry.messages for word in pair]
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
            ),
            (
                fence,
                self._lease_ms,
                entry.keep,
                first_seq,
                entry.mark,
                self._log_keep,
                entry.state,
                len(events),
                *events,
                len(entry.done),
                *entry.done,
                len(entry.context),
                *entry.context,
                len(messages),
                *messages,
            ),
        )
        if reply[0] != 1:
            raise LeaseLost(f"session {session_id}: fence {fence}, reply {reply}")
        return bool(reply[1])

    async def renew(self, held: Sequence[tuple[SessionId, int]]) -> list[bool | None]:
        """Prolong many leases in one round trip: for each, whether a stop was asked for; None when it is lost."""
        replies = await self._redis.each(
            *(
                self._redis.evalsha(_RENEW, (keys.of_session(session).head,), (fence, self._lease_ms))
                for session, fence in held
            )
        )
        return [bool(reply[1]) if reply[0] == 1 else None for reply in replies]

    async def release(self, session_id: SessionId, fence: int, status: Status) -> Release:
        """Give the lease back with the status that stays, unless something new waits or a parked reply shall stop: then
        the holder stays.

        The status ``running`` hands an unfinished run over. Raises LeaseLost.
        """
        names = keys.of_session(session_id)
        reply = await self._redis.call(_RELEASE, (names.head, names.inbox), (fence, status))
        if reply == b"lost":
            raise LeaseLost(f"session {session_id}: fence {fence}")
        return cast("Release", reply.decode())


def _grant(request: RunRequest, token: str, reply: list[Any]) -> Grant:
    _, fence, seq, run_id, resumed, attempts, stop, known, state, context, inbox = reply
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
        stop=bool(stop),
        known=bool(known),
        state=state,
        context=context,
        inbox=[(entry, fields[1]) for entry, fields in inbox],
    )
