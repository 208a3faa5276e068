"""Services that are killed, frozen and cut off, a provider that follows scripts, and a look into Redis behind them."""

import sys
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from agentsvc.bus import keys
from tests.fakes.openai_server import OpenAIServer
from tests.redis_kinds.clients import connected
from tests.service import Conversation, Service, User, serving

VICTIM = (sys.executable, "-m", "tests.chaos.victim")
LEASE_S = 1.0


class Inside:
    """What Redis holds, without asking the service."""

    def __init__(self, client: redis.Redis) -> None:
        self.client: Any = client

    def of_session(self, session_id: str, *, head: bool = True) -> dict[str, Any]:
        """Everything that is written of a session; without its head, only what clients and agents see."""
        names = keys.SessionKeys(session_id)
        everything = {
            "log": self.client.xrange(names.log),
            "inbox": self.client.xrange(names.inbox),
            "state": self.client.get(names.state),
            "context": self.client.lrange(names.context, 0, -1),
            "messages": self.client.hgetall(names.messages),
            "order": self.client.zrange(names.order, 0, -1),
            "replies": self.client.lrange(names.replies, 0, -1),
        }
        return everything | ({"head": self.client.hgetall(names.head)} if head else {})

    def queued(self) -> int:
        """Run requests that wait or are being carried out."""
        return int(self.client.xlen(keys.runs(0)))

    def pending(self) -> int:
        return int(self.client.xpending(keys.runs(0), keys.GROUP)["pending"])

    def noted(self) -> int:
        """Sessions of which the queue may not have been told."""
        return int(self.client.zcard(keys.accepting(0)))

    def at_rest(self) -> bool:
        """The notes first: one that goes leaves its request in the queue."""
        return self.noted() == self.queued() == self.pending() == 0

    def at_work(self) -> int:
        """Workers that hear signals."""
        return len(self.client.pubsub_channels("{w:*}"))

    def cut_pubsub(self) -> int:
        """Cut every connection that hears live events or signals: how many there were."""
        return int(self.client.client_kill_filter(_type="pubsub"))


@contextmanager
def inside(redis_url: str) -> Generator[Inside]:
    with connected(redis_url) as client:
        yield Inside(client)


@pytest.fixture
def redis_inside(redis_url: str) -> Iterator[Inside]:
    with inside(redis_url) as looking:
        yield looking


@pytest.fixture
async def provider() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server


@contextmanager
def victim(
    redis_url: str,
    tools: Path,
    *,
    workers: int = 1,
    lease: float = LEASE_S,
    environment: Mapping[str, str] | None = None,
) -> Generator[Service]:
    """A service whose tools write to that file; the environment says whether it dies, and where."""
    with serving(
        redis_url,
        *("--lease-s", str(lease)),
        workers=workers,
        program=VICTIM,
        environment={"VICTIM_TOOLS": str(tools), **(environment or {})},
    ) as service:
        yield service


def the_same(talk: Conversation, user: User) -> Conversation:
    """The conversation as this client reaches it, which may be on another service."""
    return Conversation(user, talk.agent_id, talk.session_id)
