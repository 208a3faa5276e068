"""g, k: one session that gets long."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from tests.bench.adapters.adapter import Session
from tests.bench.figures import Row, median, ms, per
from tests.bench.options import Options
from tests.bench.stack import Stack
from tests.bench.turns import turn, watched

_AROUND = 5  # turns before and after a mark
_CYCLE = 75  # the same where conversations are summarised: together about as many as lie between two summaries
_LARGE = "gpt-4.1"  # a name whose context window nothing of this fills


class _Turn(NamedTuple):
    first_token: float
    whole: float
    model: float


async def long(stack: Stack, options: Options) -> AsyncIterator[Row]:
    """Short turns, the next one as soon as the last has ended: what one costs around the marked ones."""
    await stack.restart()
    session = await stack.adapter.session(stack.http, stack.agent, _LARGE)
    async for row in _turns(stack, session, dict.fromkeys(options.marks, _AROUND), options.limit):
        yield row


async def compressed(stack: Stack, options: Options) -> AsyncIterator[Row]:
    """The same twice as long, with an agent that has its conversation summarised every 150 turns or so."""
    await stack.restart()
    agent = await stack.adapter.agent(stack.http, context_config={"trigger_ratio": 0.02, "reserve_ratio": 0.005})
    session = await stack.adapter.session(stack.http, agent)
    marks = (*options.marks, 2 * max(options.marks))
    around = {mark: _CYCLE if mark > 2 * _CYCLE else _AROUND for mark in marks}
    async for row in _turns(stack, session, around, options.limit):
        yield row


async def _turns(stack: Stack, session: Session, marks: Mapping[int, int], limit: float) -> AsyncIterator[Row]:
    """``marks`` say how many turns before and after each count."""
    begin = {mark - around for mark, around in marks.items()}
    end = {mark + around: mark for mark, around in marks.items()}
    meter = stack.meter()
    turns: list[_Turn] = []
    async with watched(stack, session=session) as (_, (reader,)):
        for number in range(1, max(end) + 1):
            if number in begin:
                turns.clear()
                await asyncio.sleep(0.5)
                meter.start()
            sent, _ = await turn(stack, session, [reader], "[[n=2]]", limit=limit)
            turns.append(_Turn(reader.first_token_at - sent, reader.last_at - sent, reader.let_go_at - sent))
            if number in end:
                await asyncio.sleep(0.5)
                yield {"turn": end[number]} | _around(turns, meter.stop())


def _around(turns: list[_Turn], cost: Row) -> Row:
    return {
        "first_token_ms_p50": ms(median([each.first_token for each in turns])),
        "whole_ms_p50": ms(median([each.whole for each in turns])),
        "reach_model_ms_p50": ms(median([each.model for each in turns])),
        "cpu_ms_per_turn": per(1000 * cost["service_cpu_s"], len(turns)),
        "redis_ops_per_turn": per(cost["redis_ops"], len(turns), 1),
        "redis_round_trips_per_turn": per(cost["redis_round_trips"], len(turns), 1),
        "pss_mb": cost["pss_mb"],
        "foreign_cpu_pct": cost["foreign_cpu_pct"],
    }
