"""The services of a story: processes that go and come again, and the way to one that is there."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import httpx

from tests.chaos.soak.diary import Diary
from tests.processes import children
from tests.service import Service, User

Begin = Callable[[], AbstractContextManager[Service]]

_STARTED_S = 90.0  # on a machine that has other things to do
_STOPPED_S = 30.0
_STEADY_S = 10.0
_ANSWER_S = 15.0  # a request to a service that stands still is given up


class Member:
    """One place in the fleet, where a service runs, and after its end another one."""

    def __init__(self, number: int, begin: Begin, diary: Diary) -> None:
        self.number = number
        self.up = False
        self.logs: list[str] = []
        self._begin = begin
        self._diary = diary
        self._life = ExitStack()
        self._killed = -_STEADY_S

    async def start(self) -> None:
        self.service = self._life.enter_context(self._begin())
        self.client = httpx.AsyncClient(base_url=self.service.url, timeout=_ANSWER_S, trust_env=False)
        await self.service.ready(_STARTED_S)
        self.up = True
        self._diary.note(f"{self} is up")

    async def kill(self) -> None:
        """All its processes, without a word."""
        self.up = False
        self.service.kill()
        await self._clear()

    async def stop(self) -> None:
        """As a deployment does."""
        self.up = False
        code = await asyncio.to_thread(self.service.stop, _STOPPED_S)
        if code != 0:
            self._diary.fault(f"{self} ended with {code}")
        await self._clear()

    @property
    def steady(self) -> bool:
        """Whether its workers may be killed: a service whose workers die one after the other gives up, as it should."""
        return time.monotonic() - self._killed > _STEADY_S

    def kill_worker(self) -> None:
        """Only a process that serves and works; the one above it is to start another one."""
        self._killed = time.monotonic()
        for pid in children(self.service.process.pid):
            os.kill(pid, signal.SIGKILL)

    @contextmanager
    def still(self) -> Generator[None]:
        """Nothing of it moves."""
        os.killpg(self.service.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.service.process.pid, signal.SIGCONT)

    async def close(self) -> None:
        if self.up:
            await self.stop()
        else:
            await self._clear()

    async def _clear(self) -> None:
        self.logs.append(self.service.said())
        await self.client.aclose()
        await asyncio.to_thread(self._life.close)

    def __str__(self) -> str:
        return f"service {self.number}, process {self.service.process.pid}"


class Fleet:
    def __init__(self, size: int, begin: Begin, diary: Diary, chance: random.Random) -> None:
        self.members = [Member(number, begin, diary) for number in range(size)]
        self._chance = chance

    async def start(self) -> None:
        async with asyncio.TaskGroup() as group:
            for member in self.members:
                group.create_task(member.start())

    async def close(self) -> None:
        for member in self.members:
            await member.close()

    def any(self) -> Member:
        """One that is there, as far as is known."""
        return self._chance.choice([member for member in self.members if member.up] or self.members)

    def user(self, name: str) -> User:
        return User(self.any().client, name)

    def tracebacks(self) -> list[str]:
        """What the services have logged of exceptions that nobody had thought of, each kind once."""
        said = "\n".join(log for member in self.members for log in member.logs)
        return sorted({piece.split("\n\n")[0][-1500:] for piece in said.split("Traceback (most recent call last)")[1:]})
