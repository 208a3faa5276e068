"""What this machine can do at most: JSON, Redis and bare HTTP, one JSON object a line. ``python -m tests.bench.limits``

The limits of streams are measured by the systems ``raw`` and ``lean``.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import msgspec
import redis.asyncio as aioredis
import uvloop

from tests.bench.options import Options, System
from tests.bench.scenarios.records import repeat
from tests.bench.stack import Stack

_EVENT = {
    "id": "c468ee793dd64d5e8f1333aac652479b",
    "created_at": "2026-01-01T00:00:00.755677",
    "metadata": {},
    "type": "TEXT_BLOCK_DELTA",
    "reply_id": "4046bb1d93c246cbb3fae7dc9c5df91d",
    "block_id": "3717a68376e049f6bf33204276f2c35d",
    "delta": "#000001:0000000851213435#",
}
_RAW = msgspec.json.encode(_EVENT)
_RECORD = _RAW * 6
_TIMES = 3

Work = Callable[[int], Awaitable[None]]
Limit = tuple[str, int, str]


def encoding() -> Iterator[Limit]:
    """One event of the wire."""
    struct = msgspec.defstruct("Event", [(name, type(value)) for name, value in _EVENT.items()])
    event = struct(**_EVENT)
    encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(struct).decode
    works: dict[str, Callable[[], Any]] = {
        "encode a struct, msgspec": lambda: encode(event),
        "encode a dictionary, msgspec": lambda: encode(_EVENT),
        "encode a dictionary, json": lambda: json.dumps(_EVENT, ensure_ascii=False),
        "decode a struct, msgspec": lambda: decode(_RAW),
        "decode a dictionary, json": lambda: json.loads(_RAW),
    }
    for name, work in works.items():
        rates = []
        for _ in range(_TIMES):
            began = time.perf_counter()
            for _ in range(50_000):
                work()
            rates.append(50_000 / (time.perf_counter() - began))
        yield name, round(statistics.median(rates)), "1/s"


class Storing:
    """What redis-py does on asyncio, as a service uses it."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def limits(self) -> AsyncIterator[Limit]:
        await self._fill(10_000)
        yield "XADD, one after the other", await _rate(self.append, 3000), "1/s"
        yield "XADD, 50 tasks", await _rate(self.append_beside, 5000), "1/s"
        yield "XADD, pipelines of 100", await _rate(self.append_together, 20_000), "1/s"
        yield "GET, one after the other", await _rate(self.get, 5000), "1/s"
        yield "MGET of 10,000", await _rate(self.get_together, 10_000), "records/s"
        yield "XRANGE of 10,000", await _rate(self.replay, 10_000), "events/s"

    async def append(self, count: int) -> None:
        for _ in range(count):
            await self._client.xadd("s", {"e": _RAW}, maxlen=1000)

    async def append_beside(self, count: int) -> None:
        await asyncio.gather(*(self.append(count // 50) for _ in range(50)))

    async def append_together(self, count: int) -> None:
        for _ in range(count // 100):
            pipe = self._client.pipeline(transaction=False)
            for _ in range(100):
                pipe.xadd("s", {"e": _RAW}, maxlen=1000)
            await pipe.execute()

    async def get(self, count: int) -> None:
        for number in range(count):
            await self._client.get(f"r{number}")

    async def get_together(self, count: int) -> None:
        await self._client.mget([f"r{number}" for number in range(count)])

    async def replay(self, count: int) -> None:
        await self._client.xrange("log", count=count)

    async def _fill(self, count: int) -> None:
        pipe = self._client.pipeline(transaction=False)
        for number in range(count):
            pipe.set(f"r{number}", _RECORD)
            pipe.xadd("log", {"e": _RAW})
        await pipe.execute()


async def serving(stack: Stack) -> AsyncIterator[Limit]:
    """A bare answer of two bytes."""
    for at_once in (1, 8, 64):
        _, rate, _ = await repeat(stack.http, ("GET", "/", {}, None), at_once, 100_000, 2.0)
        yield f"bare ASGI answer, {at_once} connections, one client", round(rate), "1/s"


async def _rate(work: Work, count: int) -> int:
    rates = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        await work(count)
        rates.append(count / (time.perf_counter() - began))
    return round(statistics.median(rates))


def _say(limit: Limit) -> None:
    name, value, unit = limit
    print(json.dumps({"limit": name, "value": value, "unit": unit}), flush=True)


async def _main() -> None:
    for limit in encoding():
        _say(limit)
    async with Stack(System("raw", "", sys.executable), Options()) as stack:
        async with aioredis.Redis(port=stack.redis_port) as client:
            async for limit in Storing(client).limits():
                _say(limit)
        await stack.restart()
        async for limit in serving(stack):
            _say(limit)


if __name__ == "__main__":
    uvloop.run(_main())
