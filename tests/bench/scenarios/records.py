"""f: lists, single records and turns of a user who has more and more of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from tests.bench.adapters.adapter import Session
from tests.bench.figures import Row, median, ms, now_us, per, percentile
from tests.bench.options import Options
from tests.bench.stack import Stack
from tests.bench.turns import turn, watched
from tests.bench.wire import Http, Request

_CREATED = 200  # through the API, at each size
_TURNS = 5
_ALONE = (100, 3.0)  # requests one after the other, and the seconds they may take
_BESIDE = (2000, 4.0)
_AT_ONCE = 8


async def records(stack: Stack, options: Options) -> AsyncIterator[Row]:
    """At each size the store is filled directly: through the API that may take hours."""
    await stack.restart()
    session = await stack.adapter.session(stack.http, stack.agent)
    async with watched(stack, session=session) as (_, readers):
        await turn(stack, session, readers, "[[n=5]]")
    before = 1
    for count in options.records:
        more = count - before
        stack.adapter.seed_agents(stack.redis, stack.agent, more)
        stack.adapter.seed_sessions(stack.redis, session, more)
        stack.adapter.seed_messages(stack.redis, session, more)
        before = count
        for name, request in stack.adapter.reads(session).items():
            yield {"records": count, "request": name} | await _read(stack, request)
        yield {"records": count, "request": "turn"} | await _turns(stack, options.limit)
        yield {"records": count, "request": "create agent"} | await _create(stack, _agent)
        yield {"records": count, "request": "create session"} | await _create(stack, _session)
        before += _CREATED + _TURNS


async def _read(stack: Stack, request: Request) -> Row:
    meter = stack.meter()
    meter.start()
    alone, _, size = await repeat(stack.http, request, 1, *_ALONE)
    cost = meter.stop()
    beside, rate, _ = await repeat(stack.http, request, _AT_ONCE, *_BESIDE)
    return {
        "bytes": size,
        "c1_ms_p50": ms(median(alone)),
        "c1_ms_p99": ms(percentile(alone, 0.99)),
        "c8_per_s": round(rate, 1),
        "c8_ms_p99": ms(percentile(beside, 0.99)),
        **_each(cost, len(alone)),
    }


async def repeat(
    http: Http, request: Request, at_once: int, most: int, seconds: float
) -> tuple[list[float], float, int]:
    """How long each took (microseconds), requests per second, bytes of an answer."""
    took: list[float] = []
    size = 0
    until = time.monotonic() + seconds

    async def ask() -> None:
        nonlocal size
        while time.monotonic() < until and len(took) < most:
            asked = now_us()
            reply = await http.call(*request)
            if reply.status != 200:
                raise RuntimeError(f"{request[1]} -> {reply.status} {reply.body[:200]!r}")
            took.append(now_us() - asked)
            size = len(reply.body)

    began = time.monotonic()
    await asyncio.gather(*(ask() for _ in range(at_once)))
    return took, len(took) / (time.monotonic() - began), size


async def _turns(stack: Stack, limit: float) -> Row:
    """Whether a turn gets dearer when its user owns more."""
    firsts: list[float] = []
    costs: list[Row] = []
    for _ in range(_TURNS):
        async with watched(stack) as (session, (reader,)):
            meter = stack.meter()
            meter.start()
            sent, _ = await turn(stack, session, [reader], "[[n=5]]", limit=limit)
            await asyncio.sleep(0.1)
            costs.append(_each(meter.stop(), 1))
            firsts.append(reader.first_token_at - sent)
    middle = sorted(costs, key=lambda cost: cost["cpu_ms_per_request"])[_TURNS // 2]
    return {"first_token_ms_p50": ms(median(firsts)), **middle}


async def _create(stack: Stack, create: Callable[[Stack], Awaitable[str | Session]]) -> Row:
    left = _CREATED

    async def one() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await create(stack)

    meter = stack.meter()
    meter.start()
    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(_AT_ONCE)))
    return {"c8_per_s": round(_CREATED / (time.monotonic() - began), 1), **_each(meter.stop(), _CREATED)}


async def _agent(stack: Stack) -> str:
    return await stack.adapter.agent(stack.http)


async def _session(stack: Stack) -> Session:
    return await stack.adapter.session(stack.http, stack.agent)


def _each(cost: Row, count: int) -> Row:
    return {
        "cpu_ms_per_request": per(1000 * cost["service_cpu_s"], count),
        "redis_ops_per_request": per(cost["redis_ops"], count, 1),
        "redis_round_trips_per_request": per(cost["redis_round_trips"], count, 1),
        "pss_mb": cost["pss_mb"],
        "foreign_cpu_pct": cost["foreign_cpu_pct"],
    }
