"""Whether Redis takes writes: one that is full, read-only or without its replicas still answers a PING."""

from agentsvc.kv.client import Redis
from agentsvc.kv.errors import Refused, Unreachable

_WRITE = ("SET", "{w:any}:probe", "", "PX", 5_000)
_WITHIN = 1.0  # seconds


async def probe(redis: Redis) -> None:
    """Raises ConnectionError, with the reason, unless Redis takes a write now.

    It is asked on a connection that nobody else waits for, since what it refuses there is refused at once.
    """
    try:
        try:
            await redis.wait(*_WRITE, within=_WITHIN)
        except Unreachable:  # the connection may have been lost since it was last used
            await redis.wait(*_WRITE, within=_WITHIN)
    except Refused as error:
        raise Unreachable(str(error)) from error
