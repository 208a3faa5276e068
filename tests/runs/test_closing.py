"""What outlives a worker that dies while it closes a reply, and what does not."""

from typing import Any

import pytest

from agentsvc.agent.agent import Agent
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Grant, Heard
from agentsvc.domain.errors import LeaseLost
from agentsvc.domain.messages import Msg
from agentsvc.runs.run import Run
from agentsvc.storage.store import Bundle
from tests.conftest import Until
from tests.fakes.models import call, text
from tests.runs.conftest import OWNER, SESSION, Actors, Say, granted, request, run_of
from tests.runs.test_waiting import deploy


async def said(bus: RedisMessageBus) -> list[Msg]:
    return (await bus.transcripts.page(SESSION, 200))[0]


async def free(bus: RedisMessageBus) -> Grant | None:
    grant = await bus.leases.take(request(), "w2")
    return grant if isinstance(grant, Grant) else None


@pytest.mark.parametrize("writes", [0, 1, 2])
async def test_a_parked_reply_that_was_stopped_ends_wherever_its_worker_dies(
    bus: RedisMessageBus, say: Say, until: Until, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    actors = Actors(call("deploy"), tools=[deploy])
    await say("go")
    await (await run_of(bus, actors)).carry_out()
    await bus.inbox.interrupt(request())
    write, left = bus.leases.write, [None] * writes

    async def dies(*args: Any) -> Heard:
        if not left:
            raise LeaseLost("the worker is dead")
        left.pop()
        return await write(*args)

    monkeypatch.setattr(bus.leases, "write", dies)
    dying = await run_of(bus, actors)
    try:
        await dying.carry_out()
    except LeaseLost:
        monkeypatch.setattr(bus.leases, "write", write)
        grant = await until(lambda: free(bus), "the lease is over")
        await Run(bus, actors, grant, None).carry_out()

    assert (await bus.heads.get(OWNER, SESSION)).status == "idle"
    assert [each.finished_reason for each in await said(bus) if each.role == "assistant"] == ["interrupted"]
    assert await bus.inbox.waiting(SESSION) == []


async def test_what_waits_behind_a_reply_that_was_given_up_is_no_worse_for_it(
    bus: RedisMessageBus, say: Say, until: Until
) -> None:
    class Seen(Actors):
        async def agent(self, grant: Grant, records: Bundle | None) -> Agent:
            seen.append(grant.attempts)
            return await super().agent(grant, records)

    seen: list[int] = []
    await say("one")
    await say("two")
    await granted(bus)
    run = Run(bus, Seen(text("1"), text("2")), await until(lambda: free(bus), "the lease is over"), None)

    await run.carry_out()

    assert seen == [1, 0]


async def test_a_reply_that_is_parked_has_not_failed_as_the_one_before_it(bus: RedisMessageBus, say: Say) -> None:
    actors = Actors([RuntimeError("no")], call("deploy"), tools=[deploy])
    await say("one")
    await say("two")
    run = await run_of(bus, actors)

    await run.carry_out()

    record = await bus.runs.get(OWNER, run.grant.run_id)
    assert (record.status, record.error) == ("parked", None)
