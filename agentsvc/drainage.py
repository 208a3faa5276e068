"""The work of ``agentsvc drain``: ask workers to drain, and wait until they have."""

import asyncio
import socket
from collections.abc import Callable, Sequence

from agentsvc.bus.workers import Worker, Workers
from agentsvc.kv.client import Redis
from agentsvc.settings import Settings

_EVERY = 0.2  # seconds between looks


async def drain(
    settings: Settings, names: Sequence[str], *, everywhere: bool, within: float, say: Callable[[str], None]
) -> list[Worker]:
    """Ask the workers with these names, else all of this host or ``everywhere``, and wait: those that still have runs
    after ``within`` seconds.

    ``say`` is told of what it waits for, whenever that has changed. A worker that is gone has no runs.
    """
    async with Redis(settings.redis_url or "") as redis:
        workers = Workers(redis, settings.lease_s)
        asked = list(names) or [each.name for each in await workers.all() if everywhere or each.host == _host()]
        if not asked:
            say("no worker is there")
        there = [name for name in asked if await workers.drain(name)]
        for name in asked:
            if name not in there:
                say(f"{name}: not there")
        return await _emptied(workers, there, within, say)


async def _emptied(workers: Workers, names: list[str], within: float, say: Callable[[str], None]) -> list[Worker]:
    until, told = asyncio.get_running_loop().time() + within, dict[str, str]()
    while True:
        found = [(name, await workers.get(name)) for name in names]
        for name, worker in found:
            words = _words(worker)
            if told.get(name) != words:
                told[name] = words
                say(f"{name}: {words}")
        left = [worker for _, worker in found if worker is not None and not _empty(worker)]
        if not left or asyncio.get_running_loop().time() > until:
            return left
        await asyncio.sleep(_EVERY)


def _empty(worker: Worker) -> bool:
    return worker.draining and worker.runs == 0


def _words(worker: Worker | None) -> str:
    if worker is None:
        return "gone"
    if _empty(worker):
        return "empty"
    return f"{worker.runs} runs" if worker.draining else f"{worker.runs} runs, has not heard yet"


def _host() -> str:
    return socket.gethostname()
