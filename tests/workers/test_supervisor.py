"""Loops outlive their failures, and all of them stop."""

import asyncio

from agentsvc.workers.supervisor import Supervisor
from tests.conftest import Until


async def test_a_loop_that_fails_starts_again_and_says_why(until: Until) -> None:
    starts: list[int] = []

    async def loop(stop: asyncio.Event) -> None:
        starts.append(len(starts))
        if len(starts) == 1:
            raise ConnectionError("away")
        await stop.wait()

    supervisor = Supervisor({"loop": loop})
    serving = asyncio.create_task(supervisor.serve())
    await until(lambda: supervisor.failing == {"loop": "away"}, "the failure is known")
    await until(lambda: len(starts) == 2, "it has started again")
    await until(lambda: not supervisor.failing, "it works again")

    supervisor.stop.set()
    await serving


async def test_a_loop_that_fails_on_its_way_out_comes_to_its_end_all_the_same() -> None:
    ends: list[str] = []

    async def loop(stop: asyncio.Event) -> None:
        await stop.wait()
        ends.append("tried")
        if len(ends) < 3:
            raise ConnectionError("away")

    supervisor = Supervisor({"loop": loop})
    supervisor.stop.set()

    await asyncio.wait_for(supervisor.serve(), 5)

    assert len(ends) == 3
