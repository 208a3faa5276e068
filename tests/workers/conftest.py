"""Two workers on one Redis, in one process; each has a bus of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import pytest

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.workers.dispatcher import Dispatcher
from agentsvc.workers.supervisor import Supervisor
from tests.runs.conftest import AGENT, OWNER, SESSION, Actors

LEASE = 0.6


class Worker:
    """A dispatcher at work. ``crash`` ends it without a word; ``stop`` as a SIGTERM does."""

    def __init__(self, bus: RedisMessageBus, actors: Actors, grace_s: float = 5.0, limit: int = 100) -> None:
        self.bus = bus
        self.dispatcher = Dispatcher(bus, actors, limit=limit, lease_s=LEASE, grace_s=grace_s)
        self.supervisor = Supervisor(
            {
                **{f"claims {shard}": partial(self.dispatcher.claim, shard) for shard in range(bus.queue.shards)},
                "reclaims": self.dispatcher.reclaim,
                "renewals": self.dispatcher.renew,
                "drain": self.dispatcher.drain,
            }
        )
        self.task = asyncio.create_task(self.supervisor.serve())

    async def stop(self) -> None:
        self.supervisor.stop.set()
        await self.task

    async def crash(self) -> None:
        """As with SIGKILL, nothing is said to Redis any more."""
        for task in self.dispatcher._tickets.values():  # what a dying process takes with it
            task.cancel()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[RedisMessageBus]:
    async with RedisMessageBus(redis_url, lease_s=LEASE) as opened:
        await opened.heads.create(OWNER, SESSION, AGENT)
        yield opened


@asynccontextmanager
async def working(
    redis_url: str, *actors: Actors, grace_s: float = 5.0, limit: int = 100, shards: int = 1
) -> AsyncIterator[list[Worker]]:
    """One worker for each cast of actors."""
    async with AsyncExitStack() as stack:
        workers = []
        for cast in actors:
            opened = await stack.enter_async_context(RedisMessageBus(redis_url, lease_s=LEASE, shards=shards))
            workers.append(Worker(opened, cast, grace_s, limit))
        try:
            yield workers
        finally:
            for worker in workers:
                if not worker.task.done():
                    await worker.stop()
