"""e: subscribers that come late."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from tests.bench.figures import Row, ms, now_us
from tests.bench.options import Options
from tests.bench.stack import Stack
from tests.bench.subscriber import Subscriber
from tests.bench.turns import leave, subscriber, turn, watched

_JOINS = 30
_DELAY_MS = 3


async def joins(stack: Stack, options: Options) -> AsyncIterator[Row]:
    """What a running reply has said is sent again, and no token is lost or doubled where the log meets what is live."""
    for count in options.replay:
        await stack.restart()
        async for row in _replays(stack, count, options.limit):
            yield row
    for count in (600, 3000):
        await stack.restart()
        yield await _seam(stack, count)


async def _replays(stack: Stack, count: int, limit: float) -> AsyncIterator[Row]:
    async with watched(stack) as (session, (reader,)):
        await stack.http.ask(*stack.adapter.chat(session, f"[[n={count} hold=1]]"))
        await _until(reader, count, limit)
        for _ in range(3):
            late = subscriber(stack)
            meter = stack.meter()
            meter.start()
            asked = now_us()
            await late.open(stack.http, stack.adapter.stream(session))
            await _until(late, count, limit)
            last = late.at[-1] - asked if late.at else 0
            yield {
                "buffered": count,
                "replayed_events": late.events,
                "replayed_tokens": len(late.tokens),
                "first_event_ms": ms(late.first_at - asked) if late.first_at else None,
                "last_replayed_ms": ms(last),
                "tokens_per_s": round(len(late.tokens) / (last / 1e6)) if last else None,
                **late.faults(count),
                **meter.stop(late.events, len(late.tokens)),
            }
            late.close()
        await stack.model("POST", "/_release")
        await asyncio.wait_for(reader.ended.wait(), limit)


async def _until(reader: Subscriber, count: int, limit: float) -> None:
    """All tokens are here, or none came for a while."""
    until, seen, quiet = time.monotonic() + limit, -1, time.monotonic()
    while len(reader.tokens) < count and time.monotonic() < until and time.monotonic() - quiet < 3:
        if len(reader.tokens) != seen:
            seen, quiet = len(reader.tokens), time.monotonic()
        await asyncio.sleep(0.01)


async def _seam(stack: Stack, count: int) -> Row:
    """Joins at many moments of one live reply."""
    late: list[Subscriber] = []
    async with watched(stack) as (session, (reader,)):
        reply = asyncio.ensure_future(turn(stack, session, [reader], f"[[n={count} d={_DELAY_MS}]]"))
        for _ in range(_JOINS):
            await asyncio.sleep(count * _DELAY_MS / 1000 * 0.8 / _JOINS)
            late.append(await subscriber(stack).open(stack.http, stack.adapter.stream(session)))
        await reply
        await asyncio.sleep(1)
    row = {"joins": len(late), "reply_tokens": count, **_kinds(late, count)}
    leave(late)
    return row


def _kinds(late: Sequence[Subscriber], count: int) -> Row:
    faults = [each.faults(count) for each in late]
    holes = [each.tokens[-1] - each.tokens[0] + 1 - len(set(each.tokens)) for each in late if each.tokens]
    return {
        **{f"joins_with_{name}": sum(each[name] > 0 for each in faults) for name in faults[0]},
        "joins_with_a_hole": sum(hole > 0 for hole in holes),
        "largest_hole": max(holes, default=0),
    }
