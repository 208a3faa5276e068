"""The reference: AgentScope's agent service (FastAPI on uvicorn, Redis).

The variant ``plain`` is what its packages bring. For ``tuned`` an operator has added uvloop, httptools and hiredis and
has lifted the cap of 100 connections to Redis.
"""

import json
import uuid
from typing import Any

from redis import Redis

from tests.bench.adapters.adapter import APPS, Command, Rest, Session

_OWNED = "agentscope:user:bench"


class AgentScope(Rest):
    def command(self, python: str, workers: int) -> Command:
        tuned = self.variant == "tuned"
        loop, parser = ("uvloop", "httptools") if tuned else ("asyncio", "h11")
        arguments = [
            *(python, "-m", "uvicorn", "agentscope_app:app", "--app-dir", str(APPS)),
            *("--host", "127.0.0.1", "--port", str(self.place.port), "--backlog", "4096", "--workers", str(workers)),
            *("--loop", loop, "--http", parser, "--log-level", "warning", "--no-access-log"),
        ]
        environment = {
            "BENCH_REDIS": str(self.place.redis_port),
            "BENCH_DIRECTORY": str(self.place.directory),
            "BENCH_TUNED": str(int(tuned)),
        }
        return Command(arguments, environment)

    def seed_agents(self, redis: Redis, agent: str, count: int) -> None:
        _copy(redis, f"{_OWNED}:agent:", agent, f"{_OWNED}:agents", count)

    def seed_sessions(self, redis: Redis, session: Session, count: int) -> None:
        _copy(redis, f"{_OWNED}:session:", session.id, f"{_OWNED}:agent:{session.agent}:sessions", count)

    def seed_messages(self, redis: Redis, session: Session, count: int) -> None:
        key = f"{_OWNED}:session:{session.id}:message"
        stored: Any = redis.lindex(f"{key}s", -1)
        last = json.loads(stored)["id"].encode()
        pipe = redis.pipeline(transaction=False)
        for _ in range(count):
            message = uuid.uuid4().hex
            pipe.rpush(f"{key}s", stored.replace(last, message.encode()))
            pipe.sadd(f"{key}_ids", message)
        pipe.execute()


def _copy(redis: Redis, prefix: str, like: str, index: str, count: int) -> None:
    stored: Any = redis.get(prefix + like)
    pipe = redis.pipeline(transaction=False)
    for _ in range(count):
        record = uuid.uuid4().hex
        pipe.set(prefix + record, stored.replace(like.encode(), record.encode()))
        pipe.sadd(index, record)
    pipe.execute()


ADAPTER = AgentScope
