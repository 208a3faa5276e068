"""HTTP and runs in processes apart, and workers that are drained: real processes, from start to end."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agentsvc.bus.workers import Worker, Workers
from agentsvc.kv.client import Redis
from tests.conftest import Until
from tests.fakes.openai_scripts import count
from tests.fakes.openai_server import OpenAIServer
from tests.processes import alive, children
from tests.service import carrying_out, serving, user_of

DRAIN_S = "1"


@pytest.fixture
async def workers(redis_url: str) -> AsyncIterator[Workers]:
    async with Redis(redis_url) as opened:
        yield Workers(opened, 10.0)


@asynccontextmanager
async def provider() -> AsyncIterator[str]:
    async with OpenAIServer() as server:
        yield server.url


async def drained(redis_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``agentsvc drain``, from its start to its end."""
    command = [sys.executable, "-m", "agentsvc", "drain", "--redis-url", redis_url, *arguments]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False, timeout=60)


async def test_a_service_without_workers_serves_what_a_worker_carries_out(
    redis_url: str, workers: Workers, until: Until
):
    async with provider() as model:
        with serving(redis_url, "--no-worker") as service:
            await service.ready()
            async with user_of(service) as ada:
                talk = await ada.conversation(model)
                async with talk.stream() as reader:
                    await talk.told("[[n=5]]")
                    assert await workers.all() == []

                    with carrying_out(redis_url, "--drain-s", DRAIN_S) as process:
                        reply = await reader.reply()
                        process.terminate()
                        code = await asyncio.to_thread(process.wait, 10)

    assert reply.text() == count(5)
    assert code == 0
    assert await workers.all() == []


async def test_a_killed_worker_process_comes_back_and_sigterm_ends_them_all(
    redis_url: str, workers: Workers, until: Until
):
    async def at_work(*names: str) -> list[Worker]:
        found = [each for each in await workers.all() if each.name not in names]
        return found if len(found) == 2 else []

    with carrying_out(redis_url, workers=2) as process:
        first, second = await until(at_work, "two workers", within=20)
        assert set(children(process.pid)) == {first.pid, second.pid}

        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: at_work(first.name), "another worker", within=20)
        everyone = [*children(process.pid)]
        process.terminate()
        code = await asyncio.to_thread(process.wait, 10)

    assert code == 0
    assert not [pid for pid in everyone if alive(pid)]
    assert [each.name for each in await workers.all()] == [first.name]


async def test_no_worker_process_outlives_its_killed_parent(redis_url: str, workers: Workers, until: Until):
    with carrying_out(redis_url, workers=2) as process:

        async def at_work() -> bool:
            return len(await workers.all()) == 2

        await until(at_work, "two workers", within=20)
        everyone = [*children(process.pid)]

        process.kill()

        await until(lambda: not [pid for pid in everyone if alive(pid)], "they have ended", within=15)
    assert await workers.all() == []


async def test_drain_empties_a_worker_which_stays_and_is_not_ready(redis_url: str, workers: Workers, until: Until):
    async with provider() as model:
        with serving(redis_url, "--drain-s", DRAIN_S) as leaving:
            await leaving.ready()
            async with user_of(leaving) as ada:
                talk = await ada.conversation(model)
                async with talk.stream() as reader:
                    await talk.told("[[n=100 d=20]]")
                    await reader.next()

                    result = await drained(redis_url)

                    (worker,) = await workers.all()
                    ready = await ada.client.get("/health/ready")
                    with carrying_out(redis_url):
                        reply = await reader.reply()

    assert result.returncode == 0, result.stderr
    assert f"{worker.name}: 1 runs" in result.stdout
    assert f"{worker.name}: empty" in result.stdout
    assert worker.draining
    assert worker.runs == 0
    assert ready.status_code == 503
    assert reply.text() == count(100)


async def test_drain_says_who_is_still_at_work_after_the_timeout(redis_url: str, workers: Workers):
    await workers.beat("far", runs=2, draining=False)

    result = await drained(redis_url, "far", "--timeout", "0.3")

    assert result.returncode == 1
    assert "far: 2 runs, has not heard yet" in result.stdout
    assert "still at work: far (2 runs)" in result.stderr
    await workers.leave("far")


async def test_drain_of_a_worker_that_is_gone_is_done(redis_url: str):
    result = await drained(redis_url, "gone")

    assert result.returncode == 0
    assert result.stdout == "gone: not there\n"
