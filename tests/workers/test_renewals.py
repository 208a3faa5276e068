"""What a renewal tells, and when it is too late for that."""

import asyncio
from collections.abc import Sequence

import pytest

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Grant, Renewal
from tests.conftest import Until
from tests.fakes.models import text
from tests.runs.conftest import Actors, request
from tests.runs.test_run import folds, logged
from tests.workers.conftest import working
from tests.workers.test_dispatcher import ask, idle


async def test_a_stop_that_a_renewal_tells_late_does_not_mean_the_next_reply(
    bus: RedisMessageBus, redis_url: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, late, heard = asyncio.Event(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    actors = Actors([*text("half"), first], [second, *text("whole")])
    async with working(redis_url, actors) as (worker,):
        renew = worker.bus.leases.renew

        async def slow(grants: Sequence[Grant]) -> list[Renewal]:
            renewals = await renew(grants)
            if any(each.stop for each in renewals):  # another server of the Cluster is slow to answer
                heard.set()
                await late.wait()
            return renewals

        monkeypatch.setattr(worker.bus.leases, "renew", slow)
        await ask(bus, "one")
        await until(lambda: actors.model.requests, "the first reply has begun")
        await ask(bus, "two")
        await bus.inbox.interrupt(request())
        await until(heard.is_set, "a renewal tells of the stop")
        first.set()  # it was about to end
        await until(lambda: len(actors.model.requests) == 2, "the second reply has begun")

        late.set()
        await until(lambda: worker.dispatcher._looking is None, "the renewal has told")
        second.set()
        await until(lambda: idle(bus), "the run has ended")

    _, reply = folds(await logged(bus))
    assert (reply.text(), reply.finished_reason) == ("whole", "completed")
