"""Whether a Redis can be used, asked once at start."""

import asyncio

from agentsvc.kv.client import Redis
from agentsvc.kv.commands import Command
from agentsvc.kv.errors import Refused

_SPREAD = 16  # keys of so many slots: a Cluster hardly has them all on one server


def check_redis(url: str) -> None:
    """Raises Denied for a wrong password, Unreachable when there is no answer, and Refused when it cannot be used."""
    asyncio.run(_check(url))


async def _check(url: str) -> None:
    reads: list[Command] = [("EXISTS", f"{{q:{shard}}}:runs") for shard in range(_SPREAD)]
    async with Redis(url) as redis:
        await redis.each(*reads)
        try:
            await redis.run("SPUBLISH", "{s:}", "")
        except Refused as error:
            if "unknown command" not in str(error):
                raise
            raise Refused("the server is too old: Redis 7.0 and Valkey 7.2 are the first that serve") from error
