"""Who is there, and who is asked to drain."""

import os
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentsvc.bus import keys
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.workers import Workers
from agentsvc.kv.client import Redis
from tests.conftest import Until
from tests.redis_kinds.clients import connected


@pytest.fixture
async def workers(redis_url: str) -> AsyncIterator[Workers]:
    async with Redis(redis_url) as opened:
        yield Workers(opened, 1.0)


async def test_a_worker_says_who_it_is_and_what_it_does(workers: Workers):
    asked = await workers.beat("w1", runs=3, draining=False)
    await workers.beat("w0", runs=0, draining=True)

    first, second = await workers.all()
    assert not asked
    assert (first.name, first.runs, first.draining) == ("w0", 0, True)
    assert (second.name, second.runs, second.draining) == ("w1", 3, False)
    assert (second.host, second.pid) == (socket.gethostname(), os.getpid())


async def test_a_worker_is_there_since_it_was_first_heard_of(workers: Workers):
    await workers.beat("w1", runs=0, draining=False)
    before = await workers.get("w1")
    await workers.beat("w1", runs=1, draining=False)

    after = await workers.get("w1")

    assert before is not None
    assert after is not None
    assert after.runs == 1
    assert after.started == before.started


async def test_a_silent_worker_is_forgotten_after_some_lease_times(workers: Workers, redis_url: str):
    await workers.beat("w1", runs=0, draining=False)

    client: Any
    with connected(redis_url) as client:
        left = client.pttl(keys.presence("w1"))

    assert 1_000 < left <= 3_000


async def test_a_worker_that_leaves_is_gone(workers: Workers):
    await workers.beat("w1", runs=0, draining=False)

    await workers.leave("w1")

    assert await workers.get("w1") is None
    assert await workers.all() == []


async def test_a_worker_that_did_not_hear_it_learns_of_the_wish_with_its_beat(workers: Workers):
    await workers.beat("w1", runs=0, draining=False)

    assert await workers.drain("w1")

    assert await workers.beat("w1", runs=0, draining=False)


async def test_a_worker_that_is_gone_is_not_brought_back_by_being_asked(workers: Workers):
    assert not await workers.drain("w1")

    assert await workers.all() == []


async def test_the_wish_is_heard_at_once_and_is_no_stop_of_a_run(redis_url: str, until: Until):
    heard: list[str] = []
    async with RedisMessageBus(redis_url) as bus:
        bus.hub.on_drain = lambda: heard.append("drain")
        bus.hub.on_stop = lambda _: heard.append("stop")
        await bus.workers.beat(bus.worker, runs=0, draining=False)

        await bus.workers.drain(bus.worker)

        await until(lambda: heard, "the worker has heard")
        await bus.workers.leave(bus.worker)
    assert heard == ["drain"]
