"""Things that must not be forgotten, with the time since when: what the janitor looks at."""

from agentsvc.kv.client import Redis
from agentsvc.kv.scripts import Script

NOTE = Script("agentsvc.bus", "note")
_OVERDUE = Script("agentsvc.bus", "overdue")


class Notes:
    """One sorted set: a member and since when it waits, by the clock of Redis."""

    def __init__(self, redis: Redis, key: str) -> None:
        self._redis = redis
        self._key = key

    async def add(self, member: bytes) -> None:
        await self._redis.call(NOTE, (self._key,), (member,))

    async def remove(self, member: bytes) -> None:
        await self._redis.run("ZREM", self._key, member)

    async def overdue(self, seconds: float, limit: int = 100) -> list[bytes]:
        """Members that have waited longer than that, oldest first."""
        members: list[bytes] = await self._redis.call(_OVERDUE, (self._key,), (int(seconds * 1000), limit))
        return members
