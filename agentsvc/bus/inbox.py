"""What waits for the agent of a session, and how it gets there."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from agentsvc.bus import keys
from agentsvc.bus.notes import NOTE
from agentsvc.domain.errors import Conflict, NotFound, Overloaded, SessionBusy
from agentsvc.domain.ids import RunId, SessionId
from agentsvc.domain.messages import Msg, encode_message
from agentsvc.domain.runs import BusyPolicy, Closing, Input, RunRequest, Stop, encode_input, name_of
from agentsvc.kv.client import Command, Redis
from agentsvc.kv.scripts import Script

_ACCEPT = Script("agentsvc.bus", "accept")
_INTERRUPT = Script("agentsvc.bus", "interrupt")


class Accepted(Struct, frozen=True):
    """``new`` is false when the same message had been accepted before."""

    run_id: RunId
    new: bool


class Inbox:
    """One inbox a session. Its entries are taken by whoever holds the lease.

    ``limit`` is how many entries and kept messages may wait; what is accepted without a policy is always taken.
    """

    def __init__(self, redis: Redis, shards: int, limit: int) -> None:
        self._redis = redis
        self._shards = shards
        self._limit = limit

    async def accept(
        self, request: RunRequest, data: Input, messages: Sequence[Msg] = (), policy: BusyPolicy | None = None
    ) -> Accepted:
        """Keep what was sent: ``messages`` in the transcript, ``data`` in the inbox, together and once.

        The answer names the run that will take it: the one that holds the session, or the one of an earlier message
        that still waits, or the requested one. Raises NotFound for a session that is not the owner's or not of this
        agent, Conflict when a message id already stands for another message, SessionBusy when the policy does not
        wait, Overloaded when too much waits.

        The session is noted first, so that the janitor finds what was kept but never announced to the queue.
        """
        names = keys.of_session(request.session_id)
        words: list[str | bytes | int] = [request.owner, request.agent_id, request.run_id, encode_input(data)]
        words += (request.cause, request.session_id, policy or "", self._limit, encode_input(Closing()))
        for message in messages:
            words += (message.id, encode_message(message))
        accept = self._redis.evalsha(
            _ACCEPT,
            (
                names.head,
                names.inbox,
                names.messages,
                names.order,
                names.accepted,
                names.runs,
                names.run + name_of(request.run_id),
            ),
            words,
        )
        return _accepted(await self._noted(request, accept))

    async def run_of(self, session_id: SessionId, accepted_id: str) -> RunId | None:
        """The run that was to take what was accepted under this id; None when nothing was."""
        run_id: bytes | None = await self._redis.run("HGET", keys.of_session(session_id).accepted, accepted_id)
        return None if run_id is None else RunId(run_id.decode())

    async def waiting(self, session_id: SessionId, start: bytes = b"-") -> list[tuple[bytes, bytes]]:
        """Entry ids and inputs from ``start`` on, oldest first; for the holder of the lease."""
        entries = await self._redis.run("XRANGE", keys.of_session(session_id).inbox, start, "+")
        return [(entry, fields[1]) for entry, fields in entries]

    async def interrupt(self, request: RunRequest, stop: Stop = "now") -> Accepted | None:
        """Ask for the end of the reply; one that is parked is closed through the inbox.

        The run that has to be announced is returned: the one that closes a parked reply, or that of what waits. Raises
        NotFound as ``accept`` does, and notes the session as it does.
        """
        names = keys.of_session(request.session_id)
        interrupt = self._redis.evalsha(
            _INTERRUPT,
            (names.head, names.inbox, names.accepted, names.runs, names.run + name_of(request.run_id)),
            (request.owner, request.agent_id, request.session_id, encode_input(Closing(stop)), request.run_id, stop),
        )
        reply = await self._noted(request, interrupt)
        return None if reply[0] in (b"idle", b"stopping") else _accepted(reply)

    async def _noted(self, request: RunRequest, script: Command) -> list[Any]:
        """What a script says that may leave something to be announced, with a note for the case that nobody does it."""
        noted = keys.accepting(keys.shard_of(request.session_id, self._shards))
        reply: list[Any]
        _, reply = await self._redis.all(self._redis.evalsha(NOTE, (noted,), (request.note,)), script)
        if reply[0] not in (b"accepted", b"known"):
            await self._redis.run("ZREM", noted, request.note)
        return reply


def _accepted(reply: list[Any]) -> Accepted:
    match reply[0]:
        case b"accepted" | b"known":
            return Accepted(RunId(reply[1].decode()), new=reply[0] == b"accepted")
        case b"reused":
            raise Conflict(f"message id {reply[1].decode()!r} already stands for another message of this session")
        case b"busy":
            raise SessionBusy("the session is busy, and busy_policy is reject")
        case b"full":
            raise Overloaded("too many messages of this session wait already")
        case _:
            raise NotFound("session not found")
