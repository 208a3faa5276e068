"""The run queue and the notes beside it."""

from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from agentsvc.bus import keys
from agentsvc.bus.expiry import decode_expiry
from agentsvc.bus.survey import Asked, Survey
from agentsvc.doctor.findings import Finding, Kind
from agentsvc.doctor.judgements import of_consumer
from agentsvc.domain.ids import OwnerId, SessionId
from agentsvc.domain.runs import decode_note
from agentsvc.services.removal import decode_removal


@dataclass(frozen=True)
class Patience:
    """When something has taken too long. A worker renews its claims several times a lease; loops look every seconds."""

    silent_ms: int
    late_s: float

    @classmethod
    def of(cls, lease_s: float) -> "Patience":
        return cls(int(5 * lease_s * 1000), 6 * lease_s + 10)


class Queue:
    """Looks at the shards of the queue."""

    def __init__(self, survey: Survey, patience: Patience) -> None:
        self._survey = survey
        self._patience = patience

    async def look(self, shard: int, owners: Iterable[OwnerId]) -> AsyncGenerator[Finding]:
        """What is wrong with its requests, claims, workers and notes.

        Requests of these ``owners`` may wait outside the stream.
        """
        key = keys.runs(shard).encode()
        late_ms = await self._survey.now_ms() - int(self._patience.late_s * 1000)
        held = await self._survey.holding(shard, list(owners))
        async for requests in self._survey.asked(shard):
            held -= {each.owner for each in requests}
            async for finding in self._requests(key, requests, late_ms):
                yield finding
        for owner in held:  # what is outside comes in when one that stands in the stream is claimed or ends
            yield Finding("held-requests", keys.held(shard, owner).encode(), owner=owner)
        for claim in await self._survey.silent(shard, self._patience.silent_ms):
            yield Finding("silent-claim", key, member=claim.entry)
        for consumer in await self._survey.consumers(shard):
            kind = of_consumer(consumer, self._patience.silent_ms)
            if kind is not None:
                yield Finding(kind, key, member=consumer.worker)
        async for finding in self._notes(shard):
            yield finding

    async def asked(self, shard: int, owners: Iterable[OwnerId]) -> set[SessionId]:
        """The sessions of these owners that somebody is asked to run, or is about to be asked to.

        In the order in which a request goes: it is noted, it may wait outside the stream, it comes in.
        """
        found: set[SessionId] = set()
        async for members in self._survey.noted(keys.accepting(shard)):
            found |= {session for session in map(_session_of, members) if session is not None}
        for owner in owners:
            async for requests in self._survey.held(shard, owner):
                found |= {request.session_id for request in requests}
        async for entries in self._survey.asked(shard):
            found |= {each.request.session_id for each in entries if each.request is not None}
        return found

    async def _notes(self, shard: int) -> AsyncGenerator[Finding]:
        for note in _NOTES:
            key = note.key(shard)
            for member in await self._survey.overdue(key, self._patience.late_s):
                yield _finding(note, key, member)

    async def _requests(self, key: bytes, requests: list[Asked], late_ms: int) -> AsyncGenerator[Finding]:
        """Workers drop those of sessions that are gone when they come to them."""
        old = {each.request.session_id for each in requests if each.request is not None and each.at_ms < late_ms}
        gone = old - await self._survey.alive(list(old))
        for asked in requests:
            if asked.request is None:
                yield Finding("unreadable-request", key, owner=asked.owner, member=asked.entry)
            elif asked.at_ms < late_ms and asked.request.session_id in gone:
                yield Finding("dead-request", key, asked.request.session_id, asked.owner, asked.entry)


class Note(NamedTuple):
    """A kind of notes: its key in a shard, what one that is late means, and how to read one."""

    key: Callable[[int], str]
    late: Kind
    read: Callable[[bytes], tuple[OwnerId, str]]
    """Whose it is, and the session that it is about, if it is about one."""


def _announced(note: bytes) -> tuple[OwnerId, str]:
    request = decode_note(note)
    return request.owner, request.session_id


def _removed(note: bytes) -> tuple[OwnerId, str]:
    owner, kind, record_id = decode_removal(note)
    return owner, record_id if kind == "session" else ""


def _expired(note: bytes) -> tuple[OwnerId, str]:
    expiry = decode_expiry(note)
    return expiry.owner, expiry.session_id


_NOTES = (
    Note(keys.accepting, "late-announcement", _announced),
    Note(keys.removing, "late-removal", _removed),
    Note(keys.expiring, "late-expiry", _expired),
)


def _finding(note: Note, key: str, member: bytes) -> Finding:
    try:
        owner, session = note.read(member)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return Finding("unreadable-note", key.encode(), member=member)
    return Finding(note.late, key.encode(), session, owner, member)


def _session_of(note: bytes) -> SessionId | None:
    """The session that may have to be announced."""
    try:
        return decode_note(note).session_id
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
