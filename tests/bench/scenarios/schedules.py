"""i: schedules that are all due in the same minute."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from tests.bench.figures import Row, median, ms, now_us, percentile
from tests.bench.options import Options
from tests.bench.stack import Stack

_SILENCE_S = 15
_LONGEST_S = 900


async def schedules(stack: Stack, options: Options) -> AsyncIterator[Row]:
    """How many fire, how often and how late, counted at the model; with one and with two worker processes."""
    for workers in (1, 2):
        await stack.restart(workers)
        await stack.model("POST", "/_reset")
        due = (int(time.time() + 15 + options.schedules / 60) // 60 + 1) * 60
        await _create(stack, datetime.fromtimestamp(due, UTC), options.schedules)
        created_late = time.time() > due
        due_us = now_us() + int((due - time.time()) * 1e6)
        await asyncio.sleep(max(0.0, due - time.time() - 0.5))
        meter = stack.meter()
        meter.start()
        calls = await _calls(stack, due)
        firsts = [times[0] - due_us for times in calls.values()]
        yield {
            "schedules": options.schedules,
            "workers": workers,
            "created_too_late": created_late,
            "fired": len(calls),
            "missed": options.schedules - len(calls),
            "duplicated": sum(len(times) - 1 for times in calls.values()),
            "fired_within_60_s": sum(first < 60e6 for first in firsts),
            "late_ms_p50": ms(median(firsts)),
            "late_ms_p99": ms(percentile(firsts, 0.99)),
            "late_ms_max": ms(max(firsts, default=None)),
            **meter.stop(),
        }


async def _create(stack: Stack, due: datetime, count: int) -> None:
    left = list(range(count))

    async def one() -> None:
        while left:
            text = f"[[n=1 tag=s{left.pop()}]]"
            await stack.adapter.schedule(stack.http, stack.agent, due.minute, due.hour, text)

    await asyncio.gather(*(one() for _ in range(8)))


async def _calls(stack: Stack, due: int) -> dict[str, list[int]]:
    """When the model was asked, by schedule, once no more calls come."""
    tags: dict[str, Any] = {}
    total, quiet = -1, time.monotonic()
    while time.monotonic() - quiet < _SILENCE_S and time.time() < due + _LONGEST_S:
        await asyncio.sleep(1)
        tags = (await stack.model("GET", "/_stats"))["tags"]
        if (now := sum(map(len, tags.values()))) != total:
            total, quiet = now, time.monotonic()
    return tags
