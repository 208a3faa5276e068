"""c, d and j: many subscribers of one reply, and many replies at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from tests.bench.figures import Row, median, ms, now_us, percentile
from tests.bench.options import Options
from tests.bench.stack import Stack
from tests.bench.subscriber import Subscriber
from tests.bench.turns import joined, leave, turn, warm, watched

_DELAY_MS = 20
_SHARED = 200  # chunks of the reply that many read
_EACH = 100  # chunks of each of many replies


async def subscribers(stack: Stack, options: Options) -> AsyncIterator[Row]:
    """One reply for S subscribers: all at once, which shows what can be delivered, and paced, which shows the lag."""
    for count in options.subscribers:
        await stack.restart()
        await warm(stack)
        for mode, delay in (("burst", 0), ("paced", _DELAY_MS)):
            case: Row = {"subscribers": count, "mode": mode}
            try:
                yield case | await _shared(stack, count, delay, options.limit)
            except (TimeoutError, OSError, RuntimeError) as error:
                yield case | {"error": repr(error)[:200]}
            stack.http.drop()


async def _shared(stack: Stack, count: int, delay: int, limit: float) -> Row:
    async with watched(stack, count) as (session, readers):
        meter = stack.meter()
        meter.start()
        sent, _ = await turn(stack, session, readers, f"[[n={_SHARED} d={delay}]]", limit=limit)
        await asyncio.sleep(0.2)
        events, tokens = _delivered(readers)
        last = max(each.last_at for each in readers)
        span = (last - min(each.let_go_at for each in readers)) / 1e6
        return {
            "events": events,
            "tokens": tokens,
            "events_per_s": round(events / span),
            "tokens_per_s": round(tokens / span),
            "wall_ms": ms(last - sent),
            **_lags(readers),
            **_faults(readers, _SHARED),
            **meter.stop(events, tokens),
        }


async def sessions(stack: Stack, options: Options, workers: int = 1) -> AsyncIterator[Row]:
    """C paced replies at once, each with its subscriber."""
    for count in options.sessions:
        await stack.restart(workers)
        await warm(stack)
        yield {"sessions": count, "workers": workers} | await _together(stack, count, options.limit)
        stack.http.drop()


async def workers(stack: Stack, options: Options) -> AsyncIterator[Row]:
    """The same with one and with two worker processes."""
    for count in (1, 2):
        async for row in sessions(stack, options, count):
            yield row


async def _together(stack: Stack, count: int, limit: float) -> Row:
    made = [await stack.adapter.session(stack.http, stack.agent) for _ in range(count)]
    readers = await joined(stack, made)
    await asyncio.sleep(0.5)
    meter = stack.meter()
    meter.start()
    began = now_us()
    text = f"[[n={_EACH} d={_DELAY_MS}]]"
    turns = [turn(stack, session, [each], text, limit=limit) for session, each in zip(made, readers, strict=True)]
    results = await asyncio.gather(*turns, return_exceptions=True)
    errors = [repr(each) for each in results if isinstance(each, BaseException)]
    whole = [each for each in readers if each.last_at and each.tokens]
    row: Row = {"errors": len(errors)} | ({"error": errors[0][:160]} if errors else {})
    if whole:
        row |= _of_all(whole, began) | meter.stop(*_delivered(whole))
    leave(readers)
    return row


def _of_all(readers: Sequence[Subscriber], began: int) -> Row:
    wall = max(each.last_at for each in readers) - began
    firsts = [each.first_token_at - began for each in readers]
    gaps = [late - early for each in readers for early, late in zip(each.at, each.at[1:], strict=False)]
    events, tokens = _delivered(readers)
    return {
        "events": events,
        "tokens": tokens,
        "wall_ms": ms(wall),
        "wall_over_ideal": round(wall / 1000 / (_DELAY_MS * (_EACH - 1)), 3),
        "first_token_ms_p50": ms(median(firsts)),
        "first_token_ms_p99": ms(percentile(firsts, 0.99)),
        **_lags(readers),
        "gap_ms_p99": ms(percentile(gaps, 0.99)),
        "gap_ms_max": ms(max(gaps)),
        "events_per_s": round(events / (wall / 1e6)),
        "tokens_per_s": round(tokens / (wall / 1e6)),
        **_faults(readers, _EACH),
    }


def _delivered(readers: Sequence[Subscriber]) -> tuple[int, int]:
    """Events and tokens, counted at each subscriber."""
    return sum(each.events for each in readers), sum(len(each.tokens) for each in readers)


def _lags(readers: Sequence[Subscriber]) -> Row:
    lags = [lag for each in readers for lag in each.lag]
    return {"lag_ms_p50": ms(median(lags)), "lag_ms_p99": ms(percentile(lags, 0.99))}


def _faults(readers: Sequence[Subscriber], count: int) -> Row:
    faults = [each.faults(count) for each in readers]
    return {name: sum(each[name] for each in faults) for name in ("missing", "duplicated", "disordered")}
