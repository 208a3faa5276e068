"""What a worker that leaves had taken over from another one, and not begun."""

import asyncio

from agentsvc.bus import keys
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Entry, Grant
from tests.conftest import Until
from tests.fakes.models import text
from tests.runs.conftest import Actors, request
from tests.workers.conftest import working
from tests.workers.test_dispatcher import ask, idle, texts


async def held(bus: RedisMessageBus) -> None:
    """The session is asked for something, and "other" has the request and the lease."""
    await ask(bus, "hi")
    await bus.queue.claim(0, "other", 1, 1000)
    grant = await bus.leases.take(request(), "other")
    assert isinstance(grant, Grant)
    await bus.leases.write(grant, 1, [], Entry())


async def test_what_a_dead_worker_held_is_not_dropped_though_its_heir_leaves_before_the_lease_is_over(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    await held(bus)
    async with working(redis_url, Actors()) as (leaving,):
        await leaving.stop()
        (ticket,) = await leaving.bus.queue.reclaim(0, leaving.bus.worker, 0, 1)
        assert not await leaving.dispatcher._begin(ticket, leaving.supervisor.stop)

    async with working(redis_url, Actors(text("Done"))):
        await until(lambda: idle(bus), "the run has ended")

    assert await texts(bus) == ["hi", "Done"]


async def test_a_worker_that_only_waits_for_a_lease_leaves_at_once(
    redis_url: str, bus: RedisMessageBus, until: Until
) -> None:
    async with RedisMessageBus(redis_url, lease_s=60) as patient:
        await held(patient)

    async with working(redis_url, Actors(), grace_s=60) as (worker,):
        await until(lambda: worker.dispatcher._tickets, "the request is taken over")
        async with asyncio.timeout(20):
            await worker.stop()

    assert [each.reclaimed for each in await bus.queue.reclaim(0, "heir", 0, 1)] == [True]


async def test_a_worker_leaves_a_redis_that_came_back_empty(redis_url: str, bus: RedisMessageBus) -> None:
    async with working(redis_url, Actors()) as (worker,):
        worker.dispatcher._draining.set()
        await worker.dispatcher._drained.wait()
        await bus._redis.run("DEL", keys.runs(0))

        async with asyncio.timeout(5):
            await worker.stop()
