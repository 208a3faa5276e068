"""This service, as ``agentsvc serve`` starts it; the variant ``embedded`` has the Redis that comes with it."""

import base64
import time
from typing import Any

from redis import Redis

from agentsvc.bus.keys import SessionKeys
from agentsvc.domain.ids import OwnerId, SessionId, new_id
from agentsvc.storage.keys import KindKeys
from tests.bench.adapters.adapter import Command, Place, Rest, Session
from tests.bench.wire import Request

_KEY = base64.b64encode(b"k" * 32).decode()


class AgentService(Rest):
    health = "/health/ready"

    def __init__(self, place: Place, variant: str) -> None:
        super().__init__(place, variant)
        self._owner = OwnerId(self.user["x-user-id"])

    def command(self, python: str, workers: int) -> Command:
        flags = {
            "--port": str(self.place.port),
            "--workers": str(workers),
            "--data-dir": str(self.place.directory / "data"),
            "--log-level": "warning",
            "--allow-private": "model=127.0.0.1",
        }
        environment = {"AGENTSVC_SECRET_KEYS": _KEY}
        if self.variant != "embedded":
            environment["AGENTSVC_REDIS_URL"] = f"redis://127.0.0.1:{self.place.redis_port}"
        return Command(
            [python, "-m", "agentsvc", "serve", *(word for flag in flags.items() for word in flag)], environment
        )

    def reads(self, session: Session) -> dict[str, Request]:
        """Also pages that hold as many records however many there are."""
        pages = {
            "10 agents": "/agent/?limit=10",
            "10 sessions": f"/sessions/?agent_id={session.agent}&limit=10",
            "10 messages": f"/sessions/{session.id}/messages?agent_id={session.agent}&limit=10",
        }
        return super().reads(session) | {name: ("GET", path, self.user, None) for name, path in pages.items()}

    def seed_agents(self, redis: Redis, agent: str, count: int) -> None:
        keys = KindKeys(self._owner, "agent")
        self._copy(redis, keys, agent, [keys.index], count)

    def seed_sessions(self, redis: Redis, session: Session, count: int) -> None:
        keys = KindKeys(self._owner, "session")
        made = self._copy(redis, keys, session.id, [keys.index, keys.within + session.agent], count)
        pipe = redis.pipeline(transaction=False)
        for session_id in made:
            pipe.hset(SessionKeys(session_id).head, mapping={"owner": self._owner, "agent": session.agent})
        pipe.execute()

    def seed_messages(self, redis: Redis, session: Session, count: int) -> None:
        keys = SessionKeys(SessionId(session.id))
        last: Any = redis.zrange(keys.order, -1, -1)
        stored: Any = redis.hget(keys.messages, last[0])
        end: Any = redis.hincrby(keys.head, "count", count)
        pipe = redis.pipeline(transaction=False)
        for place in range(end - count + 1, end + 1):
            message = new_id()
            pipe.hset(keys.messages, message, stored.replace(last[0], message.encode()))
            pipe.zadd(keys.order, {message: place})
        pipe.execute()

    def _copy(self, redis: Redis, keys: KindKeys, like: str, indexes: list[str], count: int) -> list[str]:
        """The ids of new records."""
        stored: Any = redis.get(keys.record + like)
        made = [new_id() for _ in range(count)]
        first = time.time_ns() // 1000 - count
        pipe = redis.pipeline(transaction=False)
        for place, record in enumerate(made, first):
            pipe.set(keys.record + record, stored.replace(like.encode(), record.encode()))
            for index in indexes:
                pipe.zadd(index, {record: place})
        pipe.execute()
        return made


ADAPTER = AgentService
