"""How many requests wait is known, and when it is too many no more are taken."""

from collections.abc import AsyncIterator

import pytest

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.queue import WINDOW
from agentsvc.domain.errors import Overloaded
from agentsvc.domain.ids import SessionId
from tests.bus.conftest import request

LIMIT = WINDOW + 4


@pytest.fixture
async def small(redis_url: str) -> AsyncIterator[RedisMessageBus]:
    """One of two processes whose queue is short."""
    async with RedisMessageBus(redis_url, max_queued=LIMIT) as opened:
        yield opened


async def fill(bus: RedisMessageBus, count: int) -> None:
    for number in range(count):
        await bus.queue.push(request(session=f"s{number}"))


async def room(bus: RedisMessageBus) -> bool:
    try:
        await bus.queue.check_room(SessionId("s1"))
    except Overloaded as error:
        return error.retry_after < 1
    return True


async def test_what_waits_inside_and_outside_counts_and_what_is_claimed_does_not(bus: RedisMessageBus) -> None:
    await fill(bus, 20)
    all_wait = await bus.queue.waiting(0)

    tickets = await bus.queue.claim(0, "w1", 3, 10)
    await bus.queue.admit(tickets)
    some_wait = await bus.queue.waiting(0)
    await bus.queue.done(tickets[0])

    assert (all_wait, some_wait) == (20, 17)
    assert await bus.queue.waiting(0) == 17


async def test_nothing_waits_where_nothing_was_ever_asked_for(bus: RedisMessageBus) -> None:
    await bus._redis.run("DEL", "{q:0}:runs")

    assert await bus.queue.waiting(0) == 0


async def test_a_full_queue_takes_no_more_until_something_is_claimed(small: RedisMessageBus) -> None:
    await fill(small, LIMIT - 1)
    before = await room(small)
    await fill(small, 1)
    full = await room(small)
    await small.queue.claim(0, "w1", 1, 10)

    assert (before, full, await room(small)) == (True, False, True)


async def test_a_process_asks_only_when_it_was_last_told_that_there_is_no_room(
    small: RedisMessageBus, redis_url: str
) -> None:
    async with RedisMessageBus(redis_url, max_queued=LIMIT) as other:
        await fill(other, LIMIT)

        unaware = await room(small)
        await small.queue.push(request())

        assert (unaware, await room(small), await room(other)) == (True, False, False)


async def test_each_part_of_the_queue_has_its_own_room(redis_url: str) -> None:
    async with RedisMessageBus(redis_url, max_queued=1, shards=2) as bus:
        await bus.queue.push(request(session="s1"))
        others = [SessionId(f"s{number}") for number in range(2, 20)]

        refused = 0
        for session in others:
            try:
                await bus.queue.check_room(session)
            except Overloaded:
                refused += 1

    assert 0 < refused < len(others)
