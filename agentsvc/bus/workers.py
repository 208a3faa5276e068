"""Which workers are there, what each of them does, and the wish that one drains."""

import os
import socket
from collections.abc import Sequence
from importlib.metadata import version

from msgspec import Struct

from agentsvc.bus import keys
from agentsvc.kv.client import Redis
from agentsvc.kv.scripts import Script

_BEAT = Script("agentsvc.bus", "beat")
_DRAIN = Script("agentsvc.bus", "drain")

_LIVES = 3  # lease times after which a silent worker is forgotten


class Worker(Struct, frozen=True, kw_only=True):
    """A process that carries out runs, as it was when it was last heard of.

    ``started`` is ms by the clock of Redis. One that is ``draining`` takes no more runs.
    """

    name: str
    host: str
    pid: int
    version: str
    started: int
    runs: int
    draining: bool


class Workers:
    """A worker that is not heard of for some lease times is gone."""

    def __init__(self, redis: Redis, lease_s: float) -> None:
        self._redis = redis
        self._life_ms = int(_LIVES * lease_s * 1000)
        self._fixed = ("host", socket.gethostname(), "pid", os.getpid(), "version", version("agentsvc"))

    async def beat(self, name: str, *, runs: int, draining: bool) -> bool:
        """Say that this process is there; says whether it is asked to drain."""
        words = (self._life_ms, *self._fixed, "runs", runs, "draining", int(draining))
        return bool(await self._redis.call(_BEAT, (keys.presence(name),), words))

    async def leave(self, name: str) -> None:
        await self._redis.run("DEL", keys.presence(name))

    async def get(self, name: str) -> Worker | None:
        """None when it is gone."""
        return _worker(name, await self._redis.run("HGETALL", keys.presence(name)))

    async def all(self) -> list[Worker]:
        """Every worker of this Redis, by name."""
        pages = [page async for page in self._redis.scan(keys.presence("*"))]
        names = sorted({keys.worker_of(key) for page in pages for key in page})
        found = await self._redis.each(*(("HGETALL", keys.presence(name)) for name in names))
        workers = [_worker(name, fields) for name, fields in zip(names, found, strict=True)]
        return [worker for worker in workers if worker is not None]

    async def drain(self, name: str) -> bool:
        """Ask it to take no more runs and to hand over those that it has; says whether it is there.

        A signal makes it hear at once; one that is lost is made up for by its next beat.
        """
        reply: int = await self._redis.call(_DRAIN, (keys.presence(name),), (keys.worker_channel(name), DRAIN))
        return reply == 1


DRAIN = b"drain"
"""What is said to a worker on its channel that is to drain; whatever else is said there is the id of a session."""


def _worker(name: str, fields: Sequence[bytes]) -> Worker | None:
    if not fields:
        return None
    told = dict(zip(fields[::2], fields[1::2], strict=True))
    return Worker(
        name=name,
        host=told[b"host"].decode(),
        pid=int(told[b"pid"]),
        version=told[b"version"].decode(),
        started=int(told[b"started"]),
        runs=int(told[b"runs"]),
        draining=told[b"draining"] == b"1",
    )
