"""The long story: many sessions, everything that can go wrong, rest, and what must hold then."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp

from agentsvc.bus import keys
from tests.chaos.conftest import Inside, victim
from tests.chaos.followers import split
from tests.chaos.soak.clients import Client, Watcher
from tests.chaos.soak.diary import Diary
from tests.chaos.soak.fleet import Fleet
from tests.chaos.soak.killers import Killer, Killers, rage
from tests.chaos.soak.provider import Hearing
from tests.chaos.soak.verdicts import Disagreement, Evidence, judge, unheard
from tests.conftest import wait_until
from tests.fakes.tools import lines
from tests.keyleak import leaked

_REST_S = 90.0  # until everything that was begun has come to its end
_AGAIN = "[[text=Again]]"

Choose = Callable[[Killers], Sequence[Killer]]


@dataclass(frozen=True)
class Plan:
    """``pause`` is what lies between two things that go wrong, on average. All times are in seconds."""

    seconds: float
    sessions: int = 200
    users: int = 10
    services: int = 4
    lease: float = 1.0
    pause: float = 2.0
    tools_take: float = 0.4


class Story:
    def __init__(self, plan: Plan, redis_url: str, looking: Inside, directory: Path, chance: random.Random) -> None:
        self.plan = plan
        self.diary = Diary()
        self.tools = directory / "tools"
        self._redis_url = redis_url
        self._looking = looking
        self._chance = chance
        slow = {"VICTIM_TAKES": str(plan.tools_take)}
        begin = partial(victim, redis_url, self.tools, lease=plan.lease, environment=slow)
        self.fleet = Fleet(plan.services, begin, self.diary, split(chance))
        self.clients: list[Client] = []

    async def tell(self, provider: Hearing, choose: Choose) -> list[Disagreement]:
        """What does not hold in the end."""
        connections = aiohttp.TCPConnector(limit=0, force_close=True)
        await self.fleet.start()
        try:
            async with aiohttp.ClientSession(connector=connections) as http, asyncio.TaskGroup() as group:
                self.clients = await self._come(http, provider)
                watching = [group.create_task(each.watcher.watch(self.fleet)) for each in self.clients]
                await self._live(choose)
                found = await self._rest() or [*await self._again(), *await self._judge(provider)]
                for each in watching:
                    each.cancel()
        finally:
            await self.fleet.close()
        return found

    async def _come(self, http: aiohttp.ClientSession, provider: Hearing) -> list[Client]:
        clients: list[Client] = []
        for number in range(self.plan.users):
            user = self.fleet.user(f"user{number}")
            agent, credential = await user.agent(), await user.credential(provider.url)
            for _ in range(self.plan.sessions // self.plan.users):
                talk = await user.session(agent, credential)
                watcher = Watcher(http, talk, split(self._chance))
                clients.append(Client(len(clients), talk, self.fleet, watcher, self.diary))
        return clients

    async def _live(self, choose: Choose) -> None:
        """All do what they do, and things go wrong."""
        over = asyncio.Event()
        killers = choose(Killers(self.fleet, self._redis_url, self.plan.lease, split(self._chance), self.diary))
        async with asyncio.TaskGroup() as group:
            group.create_task(rage(killers, over, self.plan.pause, split(self._chance)))
            for client in self.clients:
                group.create_task(client.live(over))
            await asyncio.sleep(self.plan.seconds)
            over.set()
        self.diary.note("nothing goes wrong any more")

    async def _rest(self) -> list[Disagreement]:
        """The sessions that do not come to rest."""
        resting = {asyncio.create_task(client.rest()): client for client in self.clients}
        _, restless = await asyncio.wait(resting, timeout=_REST_S)
        for task in restless:
            task.cancel()
        found = [Disagreement(resting[task].name, f"is {await resting[task].status()}") for task in restless]
        self.diary.note(f"{len(resting) - len(found)} sessions rest")
        return found

    async def _again(self) -> list[Disagreement]:
        """The sessions that are of no more use."""
        await asyncio.gather(*(client.say(_AGAIN, "queue") for client in self.clients))
        found = await self._rest()
        for client in self.clients:
            *_, last = await client.transcript()
            if (last.text(), last.finished_reason) != ("Again", "completed"):
                found.append(Disagreement(client.name, f"does not answer: {last}", last.id))
        return found

    async def _judge(self, provider: Hearing) -> list[Disagreement]:
        found: list[Disagreement] = []
        done = Counter(lines(self.tools))
        await asyncio.gather(*(self._caught_up(client) for client in self.clients))
        for client in self.clients:
            strangers = unheard(client.said, provider.heard)
            statuses = {each.id: await client.run_status(each.run_id) for each in strangers}
            transcript = await client.transcript()
            found += judge(Evidence(client, transcript, frozenset(provider.heard), statuses, done))
        await wait_until(self._looking.at_rest, "nothing waits", within=20)
        found += [Disagreement("", f"nobody owns {key!r}") for key in leaked(self._looking.client)]
        return found + [Disagreement("", fault) for fault in self.diary.faults]

    async def _caught_up(self, client: Client) -> None:
        """Its watcher has seen all there is."""
        log = keys.of_session(client.talk.session_id).log
        ((last, _),) = self._looking.client.xrevrange(log, count=1)
        seq = int(last.partition(b"-")[0])
        seen = lambda: client.watcher.seqs[-1:] >= [seq]  # noqa: E731
        await wait_until(seen, f"the client of {client.name} has seen event {seq}", within=30)
