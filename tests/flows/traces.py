"""What stands in Redis: compared before and after, it says whether something left a trace."""

from typing import Any

import redis

# What a worker writes while nothing happens: that it still holds a session.
_PULSE = b"deadline"


def traces(client: redis.Redis) -> dict[bytes, Any]:
    """What every key holds, but for those that go by themselves."""
    return {key: _content(client, key) for key in client.scan_iter(count=1000) if client.ttl(key) == -1}


def traces_of(client: redis.Redis, name: str) -> list[bytes]:
    """The keys with this in their name."""
    return sorted(client.scan_iter(match=f"*{name}*", count=1000))


def _content(client: redis.Redis, key: bytes) -> Any:
    match client.type(key):
        case b"hash":
            return {name: value for name, value in client.hgetall(key).items() if name != _PULSE}
        case b"stream":
            return client.xrange(key)
        case _:
            return client.dump(key)
