"""How a connection to Redis is made."""

from typing import Any, cast

import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

LOST = (RedisConnectionError, RedisTimeoutError, OSError)
"""What says that a connection is gone."""


def dial(url: str) -> Any:
    """A client that sends each command once, waits for its answer without an end, and hands it on as it is."""
    over_tcp = {} if url.startswith("unix:") else {"socket_connect_timeout": 5.0, "socket_keepalive": True}
    make: Any = cast("Any", aioredis.Redis).from_url
    client = make(url, protocol=2, socket_timeout=None, retry=Retry(NoBackoff(), 0), **over_tcp)
    client.response_callbacks.clear()
    return client
