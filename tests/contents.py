"""All that is in a Redis: to compare it, and to search it."""

from collections.abc import Iterator
from typing import Any

import redis

from tests.redis_kinds.clients import connected

Contents = dict[bytes, Any]


def contents(url: str) -> Contents:
    """Every key with what it holds, of whatever kind it is."""
    with connected(url) as client:
        found = {key: _value(client, key) for key in client.scan_iter(count=1000)}
    return {key: value for key, value in found.items() if value is not None}


def passing(url: str, keys: set[bytes]) -> set[bytes]:
    """Those of the keys that go away by themselves, or have gone."""
    with connected(url) as client:
        return {key for key in keys if client.ttl(key) != -1}


def pieces(value: Any) -> Iterator[bytes]:
    """Every string in a value, the names of fields included."""
    match value:
        case bytes():
            yield value
        case dict():
            for pair in value.items():
                yield from pieces(pair)
        case list() | tuple() | set():
            for each in value:
                yield from pieces(each)
        case _:
            yield str(value).encode()


def _value(client: redis.Redis, key: bytes) -> Any:
    """None when the key has gone in the meantime."""
    match client.type(key):
        case b"string":
            return client.get(key)
        case b"hash":
            return client.hgetall(key)
        case b"list":
            return client.lrange(key, 0, -1)
        case b"set":
            return client.smembers(key)
        case b"zset":
            return client.zrange(key, 0, -1, withscores=True)
        case b"stream":
            return client.xrange(key)
        case b"none":
            return None
        case kind:
            raise AssertionError(f"nobody knows how to read a {kind!r}: {key!r}")
