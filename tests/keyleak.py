"""Every key has an owner or a lifetime: what a test may leave in Redis."""

import re
from collections.abc import Iterable

import redis

# Records live until their owner deletes them, queues until they are empty.
_RECORD = re.compile(rb"\{o:[^{}]+\}:.+", re.DOTALL)
_QUEUE = re.compile(rb"\{q:\d+\}:.+", re.DOTALL)
# What belongs to a session dies with it: its head says that it is alive.
_LIVE = re.compile(rb"(\{s:[^{}]+\}):.+", re.DOTALL)


def leaked(client: redis.Redis) -> list[bytes]:
    """The keys with neither an owner nor a lifetime, in order."""
    keys = set(client.scan_iter(count=1000))
    return sorted(key for key in keys if not _owned(key, keys) and client.ttl(key) == -1)


def _owned(key: bytes, keys: Iterable[bytes]) -> bool:
    if _RECORD.fullmatch(key) or _QUEUE.fullmatch(key):
        return True
    live = _LIVE.fullmatch(key)
    return live is not None and live[1] + b":run" in keys
