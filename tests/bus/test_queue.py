"""A run request stays claimed until its run has ended, whoever dies meanwhile."""

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.queue import Ticket
from tests.bus.conftest import request
from tests.conftest import Until


async def test_a_request_is_claimed_by_one_worker(bus: RedisMessageBus) -> None:
    await bus.queue.push(request())

    first = await bus.queue.claim(0, "w1", 10, 50)
    second = await bus.queue.claim(0, "w2", 10, 50)

    assert len(first) == 1
    assert second == []


async def test_what_a_silent_worker_had_claimed_is_taken_over(bus: RedisMessageBus, until: Until) -> None:
    await bus.queue.push(request())
    (ticket,) = await bus.queue.claim(0, "w1", 10, 50)

    (taken,) = await until(lambda: bus.queue.reclaim(0, "w2", 100, 1000), "the claim is stale")

    assert taken.entry == ticket.entry
    assert taken.reclaimed


async def test_what_a_silent_worker_had_claimed_is_found_behind_the_claims_of_many_others(
    bus: RedisMessageBus, until: Until
) -> None:
    for number in range(1_000):
        await bus.queue.push(request(owner=f"user{number}", session=f"s{number}"))
    lively = await bus.queue.claim(0, "w1", 900, 50)
    silent = await bus.queue.claim(0, "w2", 100, 50)

    async def taken_over() -> list[Ticket]:
        await bus.queue.touch("w1", lively)
        return await bus.queue.reclaim(0, "w3", 300, 1000)

    taken = await until(taken_over, "the claims are stale")

    assert [ticket.entry for ticket in taken] == [ticket.entry for ticket in silent]


async def test_what_is_still_worked_on_is_not_taken_over(bus: RedisMessageBus, until: Until) -> None:
    await bus.queue.push(request())
    tickets = await bus.queue.claim(0, "w1", 10, 50)

    for _ in range(5):
        await bus.queue.touch("w1", tickets)
        assert await bus.queue.reclaim(0, "w2", 10_000, 1000) == []


async def test_who_was_silent_for_too_long_does_not_end_a_request_that_another_worker_has_taken_over(
    bus: RedisMessageBus,
) -> None:
    await bus.queue.push(request())
    (silent,) = await bus.queue.claim(0, "w1", 10, 50)
    (taken,) = await bus.queue.reclaim(0, "w2", 0, 1000)

    await bus.queue.done(silent)
    await bus.queue.done(silent, instead=silent.request)

    assert await bus.queue.claim(0, "w3", 10, 50) == []
    assert [each.entry for each in await bus.queue.reclaim(0, "w3", 0, 1000)] == [taken.entry]


async def test_a_request_that_is_done_is_gone_and_its_successor_is_there(bus: RedisMessageBus) -> None:
    await bus.queue.push(request())
    (ticket,) = await bus.queue.claim(0, "w1", 10, 50)

    await bus.queue.done(ticket, instead=ticket.request)
    (successor,) = await bus.queue.claim(0, "w2", 10, 50)
    await bus.queue.done(successor)

    assert successor.request == ticket.request
    assert await bus.queue.claim(0, "w1", 10, 50) == []
    assert await bus.queue.reclaim(0, "w1", 0, 1000) == []


async def test_a_worker_that_leaves_takes_nothing_with_it(bus: RedisMessageBus) -> None:
    await bus.queue.push(request())
    await bus.queue.claim(0, "w1", 10, 50)

    await bus.queue.forget("w1")

    assert len(await bus.queue.reclaim(0, "w2", 0, 1000)) == 1


async def test_an_unreadable_request_is_dropped_and_the_next_one_served(bus: RedisMessageBus) -> None:
    await bus._redis.run("XADD", "{q:0}:runs", "*", "r", "nonsense")  # only a broken client writes this
    await bus.queue.push(request())

    tickets = await bus.queue.claim(0, "w1", 10, 50)

    assert [ticket.request.session_id for ticket in tickets] == ["s1"]


async def test_no_more_is_taken_over_than_there_is_room_for(bus: RedisMessageBus) -> None:
    for _ in range(5):
        await bus.queue.push(request())
    await bus.queue.claim(0, "w1", 10, 50)

    assert len(await bus.queue.reclaim(0, "w2", 0, 2)) == 2


async def test_a_redis_that_came_back_empty_is_served_again(bus: RedisMessageBus) -> None:
    await bus._redis.run("DEL", "{q:0}:runs")
    await bus.queue.push(request())

    assert await bus.queue.claim(0, "w1", 10, 50) == []
    assert len(await bus.queue.claim(0, "w1", 10, 50)) == 1
