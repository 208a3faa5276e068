"""What goes wrong: each function does one thing to one part, and sees to it that the part is there again."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from tests.chaos.soak.diary import Diary
from tests.chaos.soak.fleet import Fleet
from tests.redis_kinds.clients import connected
from tests.redis_kinds.server import Server

Killer = Callable[[], Awaitable[None]]


class Killers:
    """Those of services, and of connections to one Redis. ``lease`` is in seconds."""

    def __init__(self, fleet: Fleet, redis_url: str, lease: float, chance: random.Random, diary: Diary) -> None:
        self._fleet = fleet
        self._redis_url = redis_url
        self._lease = lease
        self._chance = chance
        self._diary = diary

    async def kill(self) -> None:
        member = self._fleet.any()
        self._diary.note(f"kill -9 {member}")
        await member.kill()
        await asyncio.sleep(self._chance.uniform(0, 2))
        await member.start()

    async def kill_worker(self) -> None:
        member = self._fleet.any()
        if member.steady:
            self._diary.note(f"kill -9 of the workers of {member}")
            member.kill_worker()

    async def freeze(self) -> None:
        await self._hold(self._chance.uniform(0.1, 0.8) * self._lease)

    async def freeze_beyond_the_lease(self) -> None:
        await self._hold(self._chance.uniform(1.5, 4) * self._lease)

    async def _hold(self, seconds: float) -> None:
        member = self._fleet.any()
        self._diary.note(f"SIGSTOP {member} for {seconds:.2f} s")
        with member.still():
            await asyncio.sleep(seconds)

    async def deploy(self) -> None:
        member = self._fleet.any()
        self._diary.note(f"SIGTERM {member}")
        await member.stop()
        await member.start()

    async def cut(self) -> None:
        kind = self._chance.choice(("normal", "pubsub"))
        with connected(self._redis_url) as operator:
            count = operator.client_kill_filter(_type=kind)
        self._diary.note(f"CLIENT KILL TYPE {kind}: {count}")


def restarts(server: Server, chance: random.Random, diary: Diary) -> Killer:
    """Redis is killed, and starts again with what it has kept."""

    async def restart() -> None:
        diary.note("kill -9 Redis")
        server.kill()
        await asyncio.sleep(chance.uniform(0, 3))
        server.start()
        diary.note("Redis is there again")

    return restart


async def rage(killers: Sequence[Killer], over: asyncio.Event, pause: float, chance: random.Random) -> None:
    """One after the other, at random, with pauses of so many seconds on average, until it is over."""
    while not over.is_set():
        await chance.choice(killers)()
        try:
            await asyncio.wait_for(over.wait(), chance.uniform(0, 2 * pause))
        except TimeoutError:
            continue
