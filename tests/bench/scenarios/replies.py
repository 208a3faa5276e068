"""a and b: one reply with one subscriber."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from tests.bench.figures import Row, median, ms, per, percentile
from tests.bench.options import Options
from tests.bench.stack import Stack
from tests.bench.turns import bare_model, turn, warm, watched

_WARMING = 3


class _Turn(NamedTuple):
    """Microseconds from the request."""

    answered: float
    first_event: float
    model: float
    first_token: float
    lag: float
    whole: float
    cost: Row


async def latency(stack: Stack, options: Options) -> AsyncIterator[Row]:
    """Fresh sessions one after the other: how long until something comes, and until all of 200 chunks have."""
    await stack.restart()
    row: Row = {}
    raw_first, _ = await bare_model(stack, "[[n=5 d=20]]") if stack.adapter.has_model else (0.0, 0.0)
    turns = [await _fresh(stack, "[[n=5 d=20]]") for _ in range(options.turns + _WARMING)][_WARMING:]
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        row[f"post_ms_{name}"] = ms(percentile([each.answered for each in turns], share))
        row[f"first_event_ms_{name}"] = ms(percentile([each.first_event for each in turns], share))
        row[f"reach_model_ms_{name}"] = ms(percentile([each.model for each in turns], share))
        row[f"token_to_client_ms_{name}"] = ms(percentile([each.lag for each in turns], share))
        first = percentile([each.first_token for each in turns], share) or 0
        row[f"first_token_ms_{name}"] = ms(first)
        row[f"ttft_overhead_ms_{name}"] = ms(first - raw_first)
    row["raw_first_token_ms"] = ms(raw_first)
    row["cpu_ms_per_turn"] = per(1000 * (median([each.cost["service_cpu_s"] for each in turns]) or 0), 1)
    row["redis_ops_per_turn"] = median([each.cost["redis_ops"] for each in turns])
    row["redis_round_trips_per_turn"] = median([each.cost["redis_round_trips"] for each in turns])
    _, raw_whole = await bare_model(stack, "[[n=200]]") if stack.adapter.has_model else (0.0, 0.0)
    turns = [await _fresh(stack, "[[n=200]]") for _ in range(options.turns)]
    whole = median([each.whole for each in turns]) or 0
    row |= {"whole_200_ms_p50": ms(whole), "whole_200_overhead_ms_p50": ms(whole - raw_whole)}
    yield row


async def _fresh(stack: Stack, text: str) -> _Turn:
    """A turn in a new session."""
    async with watched(stack) as (session, (reader,)):
        meter = stack.meter()
        meter.start()
        sent, answered = await turn(stack, session, [reader], text)
        await asyncio.sleep(0.05)  # what is done after the end counts, too
        return _Turn(
            answered=answered - sent,
            first_event=(reader.first_at or sent) - sent,
            model=reader.let_go_at - sent,
            first_token=reader.first_token_at - sent,
            lag=reader.lag[0],
            whole=reader.last_at - sent,
            cost=meter.stop(),
        )


async def burst(stack: Stack, options: Options) -> AsyncIterator[Row]:
    """One long reply that the model sends all at once."""
    await stack.restart()
    await warm(stack)
    async with watched(stack) as (session, (reader,)):
        meter = stack.meter()
        meter.start()
        sent, _ = await turn(stack, session, [reader], f"[[n={options.tokens}]]")
        await asyncio.sleep(0.3)
        span = (reader.last_at - reader.let_go_at) / 1e6
        yield {
            "events": reader.events,
            "tokens": len(reader.tokens),
            "wall_ms": ms(reader.last_at - sent),
            "events_per_s": round(reader.events / span),
            "tokens_per_s": round(len(reader.tokens) / span),
            "bytes_per_event": round(reader.bytes / reader.events),
            "lag_ms_p99": ms(percentile(reader.lag, 0.99)),
            **reader.faults(options.tokens),
            **meter.stop(reader.events, len(reader.tokens)),
        }
