"""Runs are carried out once, by whoever is there, and outlive the worker that began them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from agentsvc.agent.tool import tool
from agentsvc.bus import keys
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.domain import events as ev
from agentsvc.domain.ids import SessionId
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Messages
from agentsvc.kv.client import Redis
from agentsvc.workers.dispatcher import Dispatcher
from agentsvc.workers.supervisor import Supervisor
from tests.conftest import Until
from tests.fakes.models import call, text
from tests.fakes.refusals import FULL
from tests.redis_kinds.chosen import only_standalone
from tests.redis_kinds.clients import connected
from tests.runs.conftest import AGENT, OWNER, SESSION, Actors, request
from tests.runs.test_run import folds, logged
from tests.workers.conftest import LEASE, Worker, working


async def ask(bus: RedisMessageBus, words: str, session: str = SESSION) -> None:
    message = Msg.user(words)
    accepted = await bus.inbox.accept(request(session), Messages([message]), [message])
    assert accepted.new
    await bus.queue.push(request(session))


async def idle(bus: RedisMessageBus, *sessions: str) -> bool:
    heads = await bus.heads.many(OWNER, [SessionId(each) for each in sessions or (SESSION,)])
    return not any(head.running for head in heads if head is not None)


async def texts(bus: RedisMessageBus, session: str = SESSION) -> list[str | None]:
    return [message.text() for message in (await bus.transcripts.page(SessionId(session), 200))[0]]


async def test_a_request_is_carried_out_and_gone(bus: RedisMessageBus, redis_url: str, until: Until) -> None:
    async with working(redis_url, Actors(text("Hello"))):
        await ask(bus, "hi")
        await until(lambda: idle(bus), "the run has ended")

    assert await texts(bus) == ["hi", "Hello"]
    assert await bus.queue.reclaim(0, "w9", 0, 1000) == []
    assert await bus.queue.claim(0, "w9", 1, 10) == []


async def test_a_hundred_sessions_on_two_workers_get_one_reply_each(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    sessions = [f"many{number}" for number in range(100)]
    for session in sessions:
        await bus.heads.create(OWNER, SessionId(session), AGENT)
    actors = [Actors(*[text("Hello")] * 200), Actors(*[text("Hello")] * 200)]

    async with working(redis_url, *actors):
        await asyncio.gather(*(ask(bus, "hi", session) for session in sessions for _ in range(2)))
        await until(lambda: idle(bus, *sessions), "all runs have ended", within=15)

    for session in sessions:
        said = await texts(bus, session)
        assert sorted(map(str, said)) == ["Hello", "Hello", "hi", "hi"]
    assert sum(len(each.model.requests) for each in actors) == 200


async def test_a_crashed_worker_is_replaced_within_the_lease(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    dying, heir = Actors([*text("half"), asyncio.Event()]), Actors(text("Done"))
    async with working(redis_url, dying) as (first,):
        await ask(bus, "hi")

        async def half() -> bool:
            return any(isinstance(event, ev.TextBlockDelta) for event in await logged(bus))

        await until(half, "the reply streams")
        await first.crash()

        async with working(redis_url, heir):
            await until(lambda: idle(bus), "another worker has ended the run", within=10)

    assert await texts(bus) == ["hi", "Done"]
    (reply,) = folds(await logged(bus))
    assert (reply.text(), reply.finished_reason) == ("Done", "completed")


async def test_a_stopping_worker_hands_its_runs_over_at_once(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    leaving, heir = Actors([*text("half"), asyncio.Event()]), Actors(text("Done"))
    async with working(redis_url, leaving, grace_s=0.05) as (first,):
        await ask(bus, "hi")

        async def half() -> bool:
            return any(isinstance(event, ev.TextBlockDelta) for event in await logged(bus))

        await until(half, "the reply streams")
        await first.stop()
        head = await bus.heads.get(OWNER, SESSION)

        async with working(redis_url, heir):
            await until(lambda: bool(heir.model.requests), "another worker goes on", within=2)
            await until(lambda: idle(bus), "the run has ended")

    assert head.seq > 0
    assert await texts(bus) == ["hi", "Done"]


async def test_an_interrupt_on_one_worker_stops_a_run_on_another(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    async with working(redis_url, Actors([*text("Hel"), asyncio.Event()])):
        await ask(bus, "hi")

        async def streaming() -> bool:
            return any(isinstance(event, ev.TextBlockDelta) for event in await logged(bus))

        await until(streaming, "the reply streams")
        await bus.inbox.interrupt(request())
        await until(lambda: idle(bus), "the run has ended", within=1)

    (reply,) = folds(await logged(bus))
    assert (reply.text(), reply.finished_reason) == ("Hel", "interrupted")


async def test_a_stop_whose_signal_was_lost_with_the_connection_is_seen_when_that_is_there_again(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    async with working(redis_url, Actors([asyncio.Event()])) as (worker,):
        await ask(bus, "hi")
        await until(lambda: logged(bus), "the reply has begun")
        worker.dispatcher._beat = 60.0
        await until(lambda: worker.bus.hub.connected, "it is heard")
        await bus._redis.run("CLIENT", "KILL", "TYPE", "pubsub")

        await bus.inbox.interrupt(request())
        await until(lambda: idle(bus), "the run has ended", within=3)

    assert folds(await logged(bus))[0].finished_reason == "interrupted"


async def test_a_stop_whose_signal_was_lost_is_seen_with_the_next_renewal(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    async with working(redis_url, Actors([asyncio.Event()])) as (worker,):
        await ask(bus, "hi")
        await until(lambda: logged(bus), "the reply has begun")
        worker.bus.hub.on_stop = lambda _: None

        await bus.inbox.interrupt(request())
        await until(lambda: idle(bus), "the run has ended", within=3)

    assert folds(await logged(bus))[0].finished_reason == "interrupted"


async def test_a_worker_that_fails_to_renew_its_claim_does_not_take_its_own_run_over(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    gate = asyncio.Event()
    actors = Actors([*text("half"), gate, *text("whole")])
    async with forgetful(redis_url, actors) as dispatcher:
        await ask(bus, "hi")

        async def claimed_again() -> bool:
            return any(each[3] > 2 for each in await pending(redis_url))

        await until(claimed_again, "its claim was overdue twice")
        gate.set()
        await until(lambda: not dispatcher._tickets, "the run has ended")

    assert await texts(bus) == ["hi", "halfwhole"]
    assert len(actors.model.requests) == 1


async def test_a_run_that_lost_its_lease_to_a_later_request_of_its_own_worker_ends(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    gate = asyncio.Event()
    actors = Actors([*text("half"), asyncio.Event()], [*text("whole"), gate])
    async with working(redis_url, actors) as (worker,), Redis(redis_url) as client:
        await ask(bus, "hi")
        await until(lambda: actors.model.requests, "the agent is at work")

        async def looked_at() -> bool:
            return len(actors.model.requests) == 2 or await client.run("XLEN", keys.runs(0)) == 1

        async def taken_over() -> bool:
            await client.run("HSET", keys.SessionKeys(SESSION).head, "deadline", 1)
            await bus.queue.push(request())
            await until(looked_at, "the request has the session or is dropped, as the lease was just renewed")
            return len(actors.model.requests) == 2

        await until(taken_over, "the later request has the session")
        await until(lambda: fences(worker) == [2], "only the later run goes on")
        gate.set()
        await until(lambda: idle(bus), "the later run has ended")

    assert await texts(bus) == ["hi", "whole"]


def fences(worker: Worker) -> list[int]:
    return [run.grant.fence for run in worker.dispatcher._runs.values()]


@asynccontextmanager
async def forgetful(redis_url: str, actors: Actors) -> AsyncIterator[Dispatcher]:
    """A worker that claims, but never renews what it has claimed."""
    async with RedisMessageBus(redis_url, lease_s=LEASE) as bus:
        dispatcher = Dispatcher(bus, actors, limit=10, lease_s=LEASE, grace_s=5)
        supervisor = Supervisor({"claims": partial(dispatcher.claim, 0), "reclaims": dispatcher.reclaim})
        serving = asyncio.create_task(supervisor.serve())
        try:
            yield dispatcher
        finally:
            supervisor.stop.set()
            await serving


async def pending(redis_url: str) -> list[list[Any]]:
    """Entry, consumer, milliseconds of silence and claims of each request that somebody works on."""
    async with Redis(redis_url) as client:
        found: list[list[Any]] = await client.run("XPENDING", keys.runs(0), keys.GROUP, "-", "+", 10)
        return found


async def test_a_worker_that_is_asked_to_drain_hands_its_runs_over_and_stays(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    leaving, heir = Actors([*text("half"), asyncio.Event()]), Actors(text("Done"))
    async with working(redis_url, leaving, grace_s=0.05) as (first,):
        await ask(bus, "hi")

        async def at_work() -> bool:
            found = await bus.workers.get(first.bus.worker)
            return found is not None and found.runs == 1

        await until(at_work, "the worker says that it carries out a run")
        await bus.workers.drain(first.bus.worker)

        async def empty() -> bool:
            found = await bus.workers.get(first.bus.worker)
            return found is not None and found.draining and found.runs == 0

        await until(empty, "the worker says that it is empty")
        async with working(redis_url, heir):
            await until(lambda: bool(heir.model.requests), "another worker goes on", within=2)
            await until(lambda: idle(bus), "the run has ended")
        assert not first.task.done()

    assert await texts(bus) == ["hi", "Done"]
    assert await bus.workers.all() == []


async def test_a_wish_to_drain_that_was_not_heard_is_seen_with_the_next_beat(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    async with working(redis_url, Actors()) as (worker,):
        await until(lambda: bus.workers.get(worker.bus.worker), "the worker is there")
        worker.bus.hub.on_drain = lambda: None

        await bus.workers.drain(worker.bus.worker)

        async def draining() -> bool:
            found = await bus.workers.get(worker.bus.worker)
            return found is not None and found.draining

        await until(draining, "the worker drains")


@only_standalone("one server is told to refuse")
async def test_a_run_that_redis_refuses_for_too_long_is_left_and_taken_up_when_it_is_over(
    bus: RedisMessageBus, redis_url: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentsvc.runs.writer._PATIENCE", 0.1)
    calls: list[str] = []

    @tool(concurrent=False, always_allowed=True)
    async def once() -> str:
        """May not be repeated."""
        calls.append("once")
        return "done"

    gate = asyncio.Event()
    actors = Actors(call("once"), [*text("half"), gate, *text("more")], text("Done"), tools=[once])
    async with working(redis_url, actors) as (worker,):
        await ask(bus, "hi")
        await until(lambda: len(actors.model.requests) == 2, "the tool has run")
        with connected(redis_url) as operator, FULL.of(operator):
            gate.set()
            await until(lambda: not worker.dispatcher._tickets, "the run is left", within=20)
        await until(lambda: idle(bus), "the run has ended", within=20)

    (reply,) = folds(await logged(bus))
    assert (reply.text(), reply.finished_reason) == ("Done", "completed")
    assert calls == ["once"]
    assert (await bus.inbox.waiting(SESSION)) == []
