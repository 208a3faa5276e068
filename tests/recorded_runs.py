"""Runs as the scripts of a session record them."""

from typing import Any

from agentsvc.bus import keys
from agentsvc.domain.ids import RunId, SessionId
from agentsvc.domain.runs import run_id_of
from tests.redis_kinds.clients import connected

AT = 1_794_992_800_000  # ms: 2026-11-18T09:06:40Z


def record(url: str, session_id: str, name: str = "n1", *, at: int = AT, **fields: Any) -> RunId:
    """A run that was asked for at this time; ``fields`` are those of its hash, in bytes or what becomes such."""
    names = keys.of_session(session_id)
    values: dict[Any, Any] = {"created": at, "cause": "chat", **fields}
    with connected(url) as client:
        client.hset(names.run + name, mapping=values)
        client.zadd(names.runs, {name: at})
    return run_id_of(SessionId(session_id), name)


def expire(url: str, session_id: str, name: str) -> None:
    """What Redis does when the time of an ended run is over."""
    with connected(url) as client:
        assert client.delete(keys.of_session(session_id).run + name)
