"""Requests are claimed in an order that is fair to all owners, and what a crash leaves behind mends itself."""

import random
from collections import Counter
from typing import Any, cast

import pytest
from msgspec.structs import replace

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.queue import WINDOW, Ticket
from agentsvc.domain.runs import Cause, decode_request
from agentsvc.kv.errors import Refused
from tests.bus.conftest import request
from tests.conftest import Until

OWNERS = ("ada", "bob", "{q:0}:held", "é ü")


async def ask(bus: RedisMessageBus, owner: str, count: int) -> list[str]:
    """Ask for runs of as many sessions: their names."""
    sessions = [f"{owner}{number}" for number in range(count)]
    for session in sessions:
        await bus.queue.push(request(owner, session))
    return sessions


async def claim(bus: RedisMessageBus, count: int = 100, worker: str = "w1") -> list[Ticket]:
    """What a worker claims that has not said so yet, and may die before it does."""
    return await bus.queue.claim(0, worker, count, 10)


async def take(bus: RedisMessageBus, count: int = 100, worker: str = "w1") -> list[Ticket]:
    tickets = await claim(bus, count, worker)
    await bus.queue.admit(tickets)
    return tickets


def sessions_of(tickets: list[Ticket]) -> list[str]:
    return [ticket.request.session_id for ticket in tickets]


async def names(bus: RedisMessageBus) -> list[bytes]:
    return [name async for batch in bus._redis.scan("{q:0}:*") for name in batch]


async def test_all_that_one_owner_asks_for_stands_in_front_of_another_one_only_by_a_few(bus: RedisMessageBus) -> None:
    await ask(bus, "ada", 300)
    await ask(bus, "bob", 1)

    tickets: list[Ticket] = []
    while "bob0" not in sessions_of(tickets):
        tickets += await take(bus, 1)

    assert len(tickets) == WINDOW + 1


async def test_what_an_owner_asks_for_is_claimed_in_its_order_and_leaves_nothing(bus: RedisMessageBus) -> None:
    asked = await ask(bus, "ada", 50)

    claimed: list[str] = []
    while tickets := await take(bus, 3):
        claimed += sessions_of(tickets)
        for ticket in tickets:
            await bus.queue.done(ticket)

    assert claimed == asked
    assert await names(bus) == [b"{q:0}:runs"]


async def test_a_worker_with_room_gets_all_that_one_owner_asks_for(bus: RedisMessageBus) -> None:
    asked = await ask(bus, "ada", 50)

    claimed: list[str] = []
    while tickets := await take(bus):
        claimed += sessions_of(tickets)

    assert claimed == asked


async def test_no_more_runs_of_one_owner_are_in_play_than_may_be(redis_url: str) -> None:
    async with RedisMessageBus(redis_url, max_runs_per_user=3) as bus:
        await ask(bus, "ada", 5)
        await ask(bus, "bob", 1)

        first = await take(bus, worker="w1")
        second = await take(bus, worker="w2")
        await bus.queue.done(first[0])
        third = await take(bus, worker="w2")

    assert sessions_of(first) == ["ada0", "ada1", "ada2", "bob0"]
    assert second == []
    assert sessions_of(third) == ["ada3"]


async def test_a_request_that_is_handed_over_keeps_its_place(redis_url: str) -> None:
    async with RedisMessageBus(redis_url, max_runs_per_user=1) as bus:
        await ask(bus, "ada", 3)

        (ticket,) = await take(bus)
        await bus.queue.done(ticket, instead=ticket.request)

        assert sessions_of(await take(bus)) == ["ada0"]
        assert await take(bus) == []


async def test_behind_a_worker_that_dies_before_it_lets_others_in_its_heir_does(
    bus: RedisMessageBus, until: Until
) -> None:
    asked = await ask(bus, "ada", 3 * WINDOW)
    died = await claim(bus, WINDOW, "dies")
    nothing = await take(bus, worker="w1")

    heirs = await until(lambda: bus.queue.reclaim(0, "w1", 1, 100), "the claims are stale")
    await bus.queue.admit(heirs)
    others = await take(bus, worker="w1")

    assert nothing == []
    assert sessions_of(died) == sessions_of(heirs) == asked[:WINDOW]
    assert sessions_of(others) == asked[WINDOW : 2 * WINDOW]


async def test_as_many_are_let_in_as_a_worker_has_room_for(bus: RedisMessageBus) -> None:
    asked = await ask(bus, "ada", 4 * WINDOW)
    tickets = await claim(bus, WINDOW)

    await bus.queue.admit(tickets, room=2 * WINDOW)

    assert sessions_of(await claim(bus)) == asked[WINDOW : 3 * WINDOW]


async def test_the_end_of_a_run_lets_others_in_when_its_claim_did_not(bus: RedisMessageBus) -> None:
    asked = await ask(bus, "ada", WINDOW + 1)
    tickets = await claim(bus, WINDOW)

    await bus.queue.done(tickets[0])

    assert sessions_of(await claim(bus)) == asked[WINDOW:]


async def test_a_new_request_lets_others_in_when_a_claim_did_not(bus: RedisMessageBus) -> None:
    asked = await ask(bus, "ada", WINDOW + 1)
    await claim(bus, WINDOW)

    await bus.queue.push(request("ada", "late"))

    assert sessions_of(await claim(bus)) == [*asked[WINDOW:], "late"]


async def test_what_could_not_be_let_in_is_the_next_time(bus: RedisMessageBus) -> None:
    asked = await ask(bus, "ada", WINDOW + 1)
    tickets = await claim(bus, WINDOW)
    await bus._redis.run("RENAME", "{q:0}:ready:ada", "{q:0}:away")
    await bus._redis.run("SET", "{q:0}:ready:ada", "what no script can read")
    with pytest.raises(Refused):
        await bus.queue.admit(tickets)
    await bus._redis.run("RENAME", "{q:0}:away", "{q:0}:ready:ada")

    await bus.queue.admit()

    assert sessions_of(await claim(bus)) == asked[WINDOW:]


async def test_nothing_changes_when_a_call_is_repeated(redis_url: str) -> None:
    async with RedisMessageBus(redis_url, max_runs_per_user=2) as bus:
        await ask(bus, "ada", 5)
        tickets = await take(bus)
        await bus.queue.admit(tickets)
        await bus.queue.done(tickets[0])
        await bus.queue.done(tickets[0])

        assert len(await take(bus)) == 1
        assert await take(bus) == []
        assert await bus.queue.waiting(0) == 2


async def test_requests_that_an_operator_has_removed_keep_nobody_out(redis_url: str) -> None:
    async with RedisMessageBus(redis_url, max_runs_per_user=WINDOW) as bus:
        asked = await ask(bus, "ada", WINDOW + 1)
        await bus._redis.run("DEL", "{q:0}:runs")
        await bus.queue.open()

        await bus.queue.push(request("ada", "late"))
        tickets = await take(bus)
        for ticket in tickets:
            await bus.queue.done(ticket)

        assert sessions_of(tickets) == [asked[-1], "late"]
        assert await names(bus) == [b"{q:0}:runs"]


async def test_a_request_of_a_later_version_is_dropped_and_leaves_nothing(bus: RedisMessageBus) -> None:
    await bus.queue.push(replace(request("ada"), cause=cast("Cause", "dream")))

    assert await claim(bus) == []
    assert await names(bus) == [b"{q:0}:runs"]


class Crowd:
    """Owners who ask for runs, and workers that claim them and lose every third word they mean to say."""

    def __init__(self, bus: RedisMessageBus, seed: int) -> None:
        self.bus = bus
        self.chance = random.Random(seed)  # noqa: S311 - repeatable, guards nothing
        self.asked: set[str] = set()
        self.served: set[str] = set()
        self.held: list[Ticket] = []

    async def act(self, step: int) -> None:
        acts = (self.push, self.push, self.claim, self.finish, self.hand_over, self.die)
        await self.chance.choice(acts)(step)

    async def push(self, step: int) -> None:
        for number in range(self.chance.randint(1, 6)):
            session = f"s{step}-{number}"
            self.asked.add(session)
            await self.bus.queue.push(request(self.chance.choice(OWNERS), session))

    async def claim(self, _: int) -> None:
        tickets = await claim(self.bus, self.chance.randint(1, 12))
        self.held += tickets
        if self.chance.random() < 2 / 3:
            await self.bus.queue.admit(tickets)

    async def finish(self, _: int) -> None:
        if self.held:
            ticket = self.held.pop(self.chance.randrange(len(self.held)))
            self.served.add(ticket.request.session_id)
            for _ in range(self.chance.randint(1, 2)):
                await self.bus.queue.done(ticket)

    async def hand_over(self, _: int) -> None:
        if self.held:
            ticket = self.held.pop(self.chance.randrange(len(self.held)))
            await self.bus.queue.done(ticket, instead=ticket.request)

    async def die(self, step: int) -> None:
        self.held = await self.bus.queue.reclaim(0, f"w{step}", 0, 100)

    async def end(self) -> None:
        """A worker that takes over and goes on until nothing is left."""
        while tickets := [*await self.bus.queue.reclaim(0, "last", 0, 100), *await claim(self.bus)]:
            for ticket in tickets:
                self.served.add(ticket.request.session_id)
                await self.bus.queue.done(ticket)

    async def in_play(self) -> Counter[str]:
        entries: list[Any] = await self.bus._redis.run("XRANGE", "{q:0}:runs", "-", "+")
        return Counter(decode_request(fields[1]).owner for _, fields in entries)


@pytest.mark.parametrize("most", [0, 1, 3])
@pytest.mark.parametrize("seed", range(4))
async def test_every_request_is_served_whatever_is_lost_on_the_way(redis_url: str, seed: int, most: int) -> None:
    async with RedisMessageBus(redis_url, max_runs_per_user=most) as bus:
        crowd, crowded = Crowd(bus, seed), 0
        for step in range(100):
            await crowd.act(step)
            crowded = max(crowded, *(await crowd.in_play()).values(), 0)

        await crowd.end()

        assert crowd.served == crowd.asked
        assert most in (0, crowded)
        assert await names(bus) == [b"{q:0}:runs"]
