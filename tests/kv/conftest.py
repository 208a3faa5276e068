"""What tests of connections are given: servers of each kind, and ears for what is published."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import pytest

from agentsvc.kv.client import Redis
from agentsvc.kv.subscriber import Subscriber
from tests.conftest import wait_until
from tests.redis_kinds.cluster import Cluster
from tests.redis_kinds.cluster import cluster as a_cluster
from tests.redis_kinds.sentinel import Sentinel, sentinel


@pytest.fixture(scope="module")
def cluster() -> Generator[Cluster]:
    with a_cluster() as made:
        yield made


@pytest.fixture
def watched() -> Generator[Sentinel]:
    with sentinel() as made:
        yield made


class Ears:
    """What one subscriber has heard, in order."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, bytes]] = []
        self.confirmed: list[bytes] = []
        self.subscriber: Subscriber

    def hear(self, kind: bytes, channel: bytes, payload: bytes) -> None:
        if kind == b"message":
            self.messages.append((channel, payload))
        elif kind == b"subscribe":
            self.confirmed.append(channel)

    async def open_for(self, *channels: bytes, sharded: bool = True) -> None:
        await self.subscriber.subscribe(*channels, sharded=sharded)
        await wait_until(lambda: set(channels) <= set(self.confirmed), "the channels are heard")


@asynccontextmanager
async def ears(redis: Redis) -> AsyncGenerator[Ears]:
    made = Ears()
    made.subscriber = redis.subscriber(made.hear)
    listening = asyncio.create_task(made.subscriber.listen())
    try:
        yield made
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
