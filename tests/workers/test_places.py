"""A worker carries out no more runs than it has places for; what others have left waits for one like all else."""

import asyncio

from agentsvc.bus import keys
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.domain.ids import SessionId
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Messages
from agentsvc.workers.places import Places
from tests.conftest import Until
from tests.fakes.models import text
from tests.runs.conftest import AGENT, OWNER, Actors, request
from tests.workers.conftest import LEASE, working


async def ask(bus: RedisMessageBus, *sessions: str) -> None:
    """The message to each session is its name."""
    for session in sessions:
        await bus.heads.create(OWNER, SessionId(session), AGENT)
        message = Msg.user(session)
        await bus.inbox.accept(request(session), Messages([message]), [message])
        await bus.queue.push(request(session))


def asked(actors: Actors) -> list[str | None]:
    return [each.messages[-1].text() for each in actors.model.requests]


async def test_places_are_set_aside_before_they_are_needed() -> None:
    places, never = Places(5), asyncio.Event()

    assert await places.reserve(3, never) == 3
    assert await places.reserve(3, never) == 2
    assert places.wanted


async def test_those_who_wait_for_a_place_take_turns() -> None:
    places, never, turns = Places(1), asyncio.Event(), list[str]()

    async def work(name: str) -> None:
        for _ in range(3):
            count = await places.reserve(10, never)
            turns.append(name)
            for _ in range(3):  # others come to wait
                await asyncio.sleep(0)
            places.give_back(count)

    await asyncio.gather(work("a"), work("b"), work("c"))

    assert turns == ["a", "b", "c"] * 3


async def test_nobody_waits_for_a_place_who_is_to_go() -> None:
    places, gone = Places(1), asyncio.Event()
    await places.reserve(1, gone)
    waiting = asyncio.create_task(places.reserve(1, gone))
    await asyncio.sleep(0)

    gone.set()
    count = await waiting
    places.give_back()

    assert count == 0
    assert await places.reserve(5, asyncio.Event()) == 1


async def test_no_more_runs_go_on_than_may_whatever_the_parts_of_the_queue(redis_url: str, until: Until) -> None:
    gate, sessions = asyncio.Event(), [f"s{number}" for number in range(40)]
    actors = Actors(*[[gate, *text("Done")] for _ in sessions])

    async with RedisMessageBus(redis_url, shards=4) as bus:
        await ask(bus, *sessions)
        async with working(redis_url, actors, limit=3, shards=4) as (worker,):
            await until(lambda: len(actors.model.requests) == 3, "all places are taken")
            crowded = [len(worker.dispatcher._tickets)]
            gate.set()

            async def ended() -> bool:
                crowded.append(len(worker.dispatcher._tickets))
                return len(actors.model.requests) == 40 and not worker.dispatcher._tickets

            await until(ended, "all runs have ended", within=15)

    assert max(crowded) == 3
    assert sorted(map(str, asked(actors))) == sorted(sessions)


async def test_what_a_dead_worker_left_is_taken_over_by_a_worker_that_always_has_more_to_do(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    gate, others = asyncio.Event(), [f"s{number}" for number in range(30)]
    actors = Actors([gate, *text("Done")], *[text("Done")] * 30)
    await ask(bus, "left")
    await bus.queue.claim(0, "dies", 1, 10)
    await ask(bus, *others)

    async with working(redis_url, actors, limit=1):
        await until(lambda: actors.model.requests, "the only place is taken")

        async def stale() -> bool:
            (claim,) = await bus._redis.run("XPENDING", keys.runs(0), keys.GROUP, "-", "+", 10, "dies")
            return bool(claim[2] > LEASE * 1000)

        await until(stale, "the claim is stale")
        gate.set()
        await until(lambda: len(actors.model.requests) == 31, "all runs have begun", within=15)

    assert asked(actors).index("left") < 5
