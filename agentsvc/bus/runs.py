"""The runs of a session, as the scripts that accept, take, write and release have recorded them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from agentsvc.bus import keys
from agentsvc.domain.cursors import cursor_after, place_of
from agentsvc.domain.errors import NotFound
from agentsvc.domain.ids import AgentId, OwnerId, RunId, SessionId
from agentsvc.domain.messages import ErrorInfo
from agentsvc.domain.records import Page
from agentsvc.domain.runs import Cause, RunStatus, RunView, name_of, run_id_of, session_of
from agentsvc.kv.client import Redis

_FIELDS = (
    *("created", "started", "ended", "cause", "status", "attempts", "worker", "reply"),
    *("input", "output", "error"),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")
_Count = Annotated[int, Meta(ge=0)]
_Milliseconds = Annotated[int, Meta(ge=0, lt=253_402_300_800_000)]  # until the year 10,000

_decode_error = msgspec.json.Decoder(ErrorInfo).decode


class Runs:
    """Reads only. What is unreadable of a run is taken for what has not been recorded."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def get(self, owner: OwnerId, run_id: RunId) -> RunView:
        """Raises NotFound for a run that is not there, not any more, or in a session that is not the owner's."""
        session_id, name = session_of(run_id), name_of(run_id)
        names = keys.of_session(session_id)
        whose, fields = await self._redis.each(
            ("HMGET", names.head, "owner", "agent"), ("HMGET", names.run + name, *_FIELDS)
        )
        agent_id = _agent(owner, whose)
        if agent_id is None or (view := _view(session_id, agent_id, name, fields)) is None:
            raise NotFound("run not found")
        return view

    async def page(
        self,
        owner: OwnerId,
        session_id: SessionId,
        limit: int,
        cursor: str | None = None,
        *,
        agent_id: AgentId | None = None,
    ) -> Page[RunView]:
        """Up to ``limit`` runs, newest first, from where ``cursor`` says; ``total`` counts all that are listed.

        A walk from page to page meets each run that is there all the time once. One that is listed but not kept any
        more is left out. Raises NotFound for a session that is somebody else's, or of another agent, and Invalid for a
        cursor of another list.
        """
        names = keys.of_session(session_id)
        whose, total, found = await self._listed(names, limit, cursor)
        found_agent = _agent(owner, whose)
        if found_agent is None or agent_id not in (None, found_agent):
            raise NotFound("session not found")
        here = found[:limit]
        stored = await self._redis.each(*(("HMGET", names.run + name, *_FIELDS) for name, _ in here))
        views = [_view(session_id, found_agent, name, fields) for (name, _), fields in zip(here, stored, strict=True)]
        return Page(
            items=[view for view in views if view is not None],
            total=total,
            next_cursor=cursor_after(names.runs, here[-1][1], here[-1][0]) if len(found) > limit else None,
        )

    async def _listed(
        self, names: keys.SessionKeys, limit: int, cursor: str | None
    ) -> tuple[list[bytes | None], int, list[tuple[str, int]]]:
        """Owner and agent, how many runs there are, and names and times of one more than ``limit`` from the cursor on.

        Runs that were asked for in the same millisecond stand in the order of their names.
        """
        head, count = ("HMGET", names.head, "owner", "agent"), ("ZCARD", names.runs)
        below = ("BYSCORE", "REV", "LIMIT", 0, limit + 1, "WITHSCORES")
        if cursor is None:
            whose, total, found = await self._redis.each(head, count, ("ZRANGE", names.runs, "+inf", "-inf", *below))
            return whose, total, _scored(found)
        at, name = place_of(names.runs, cursor)
        whose, total, tied, found = await self._redis.each(
            head,
            count,
            ("ZRANGE", names.runs, at, at, "BYSCORE", "REV", "WITHSCORES"),
            ("ZRANGE", names.runs, f"({at}", "-inf", *below),
        )
        # Redis orders by bytes.
        ties = [(each, score) for each, score in _scored(tied) if each.encode() < name.encode()]
        return whose, total, [*ties, *_scored(found)][: limit + 1]


def _scored(found: list[bytes]) -> list[tuple[str, int]]:
    return [(name.decode(), int(float(score))) for name, score in zip(found[::2], found[1::2], strict=True)]


def _agent(owner: OwnerId, whose: list[bytes | None]) -> AgentId | None:
    """The agent of a session; None when the session is not there or not the owner's."""
    found, agent = whose
    return AgentId(agent.decode()) if agent is not None and found == owner.encode() else None


def _view(session_id: SessionId, agent_id: AgentId, name: str, fields: list[bytes | None]) -> RunView | None:
    """None for a run that is not kept: what is recorded of one begins with when it was asked for."""
    created, started, ended, cause, status, attempts, worker, reply, input_tokens, output_tokens, error = fields
    if created is None:
        return None
    return RunView(
        id=run_id_of(session_id, name),
        session_id=session_id,
        agent_id=agent_id,
        cause=_read(cause, Cause, "chat"),
        status=_read(status, RunStatus, "queued"),
        attempts=_read(attempts, _Count, 0),
        worker=_read(worker, str, None),
        created_at=_time(_read(created, _Milliseconds, 0)),
        started_at=_time_or_none(started),
        ended_at=_time_or_none(ended),
        input_tokens=_read(input_tokens, _Count, 0),
        output_tokens=_read(output_tokens, _Count, 0),
        reply_id=_read(reply, str, None),
        error=_error(error),
    )


def _read(raw: bytes | None, kind: Any, otherwise: T) -> T:
    """A field of a hash as this kind; ``otherwise`` when it is not recorded or cannot be read."""
    if raw is None:
        return otherwise
    try:
        value: T = msgspec.convert(raw.decode(), kind, strict=False)
    except (UnicodeDecodeError, msgspec.ValidationError):
        return otherwise
    return value


def _time_or_none(raw: bytes | None) -> str | None:
    at = _read(raw, _Milliseconds, None)
    return None if at is None else _time(at)


def _time(milliseconds: int) -> str:
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="microseconds")


def _error(raw: bytes | None) -> ErrorInfo | None:
    """One that cannot be read is still one."""
    if not raw:
        return None
    try:
        return _decode_error(raw)
    except msgspec.MsgspecError:
        return ErrorInfo()
