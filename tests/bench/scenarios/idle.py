"""h: how long a start takes, and what doing nothing costs."""

import asyncio
import statistics
from collections.abc import AsyncIterator

from tests.bench.figures import Row, per
from tests.bench.options import Options
from tests.bench.stack import Stack
from tests.bench.turns import warm, watched

_STARTS = 3
_WATCHED_S = 6


async def idle(stack: Stack, options: Options) -> AsyncIterator[Row]:
    """Without subscribers, and with many that hear nothing."""
    starts = [await stack.restart() for _ in range(_STARTS)]
    yield {"idle": "start", "start_s": round(statistics.median(starts), 3)}
    await warm(stack)
    await asyncio.sleep(2)
    alone = await _watch(stack, 0)
    yield {"idle": "no subscriber"} | alone
    row = await _watch(stack, options.idle)
    yield (
        {"idle": f"{options.idle} subscribers"}
        | row
        | {"kb_per_subscriber": per(1000 * (row["pss_mb"] - alone["pss_mb"]), options.idle, 1)}
    )


async def _watch(stack: Stack, count: int) -> Row:
    async with watched(stack, count):
        await asyncio.sleep(2)
        meter = stack.meter()
        meter.start()
        await asyncio.sleep(_WATCHED_S)
        cost = meter.stop()
    return {
        "cpu_pct": cost["service_cpu_pct"],
        "rss_mb": cost["rss_mb"],
        "pss_mb": cost["pss_mb"],
        "redis_ops_per_s": per(cost["redis_ops"], _WATCHED_S, 1),
        "redis_round_trips_per_s": per(cost["redis_round_trips"], _WATCHED_S, 1),
        "redis_clients": cost["redis_clients"],
        "redis_by_command": cost["redis_by_command"],
        "foreign_cpu_pct": cost["foreign_cpu_pct"],
    }
