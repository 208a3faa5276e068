"""P10: a service that is told to stop leaves nothing behind and breaks nothing off: the other one goes on."""

import asyncio
import random
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from agentsvc.domain.events import REPLY_RESUMED, Custom, ReplyEnd
from tests.chaos.conftest import VICTIM, Inside, the_same
from tests.chaos.followers import Follower, seeded
from tests.conftest import Until
from tests.fakes.openai_scripts import count
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.service import Conversation, Service, message, replies, serving, user_of

pytestmark = pytest.mark.chaos

_SESSIONS = 20
_MANY = 50
_WITHIN = 10.0  # seconds that a service may take to stop
_LONGEST = 5.0  # seconds without an event, on a machine that has other things to do; 2 are promised
_DRAIN_S = 1.0
_WORDS = 150


async def test_a_service_that_stops_under_load_hands_everything_over(
    redis_url: str, redis_inside: Inside, provider: OpenAIServer, until: Until
) -> None:
    chance = seeded()
    arguments = ("--drain-s", str(_DRAIN_S))
    connections = aiohttp.TCPConnector(limit=0, force_close=True)
    with serving(redis_url, *arguments) as leaving, serving(redis_url, *arguments) as staying:
        await leaving.ready(within=60)
        await staying.ready(within=60)
        async with (
            user_of(leaving) as ada,
            user_of(staying) as elsewhere,
            aiohttp.ClientSession(connector=connections) as http,
            asyncio.timeout(90),
            asyncio.TaskGroup() as group,
        ):
            agent, credential = await ada.agent(), await ada.credential(provider.url)
            talks = [await ada.session(agent, credential) for _ in range(_SESSIONS)]
            followers = [Follower(http, talk, chance) for talk in talks]
            lives = [group.create_task(follower.live(leaving)) for follower in followers]
            for talk in talks:
                await talk.told(f"[[n={_WORDS} d=20]]")
            await until(lambda: all(len(each.seqs) >= 5 for each in followers), "all replies stream", within=20)

            began = time.monotonic()
            code = await asyncio.to_thread(leaving.stop)
            took = time.monotonic() - began

            await asyncio.gather(*lives)
            cut_short = [follower for follower in followers if not follower.ended]
            await asyncio.gather(*(follower.live(staying) for follower in cut_short))
            stored = [(await the_same(talk, elsewhere).messages()) for talk in talks]
            await until(redis_inside.at_rest, "nothing waits", within=20)

    resumed = [
        event
        for follower in followers
        for event in follower.events
        if isinstance(event, Custom) and event.name == REPLY_RESUMED
    ]
    print(
        f"stopped in {took:.2f} s, {len(cut_short)} streams went on elsewhere, {len(resumed)} replies changed workers"
    )
    assert code == 0
    assert took < _DRAIN_S + 4
    assert len(cut_short) == _SESSIONS
    assert 0 < len(resumed) < _SESSIONS
    for follower, messages in zip(followers, stored, strict=True):
        assert follower.seqs == list(range(1, len(follower.seqs) + 1))
        assert [(message.role, message.finished_reason) for message in messages][1:] == [("assistant", "completed")]
        assert messages[1].text() == count(_WORDS)
        assert replies(follower.events) == messages[1:]


@dataclass
class Fleet:
    """The services that a client may reach; one that is to stop is in no list any more."""

    serving: list[Service] = field(default_factory=list)
    stopping: bool = True


class Patron(Follower):
    """A client of one session that says one thing after the other, wherever it is listened to.

    ``pauses`` are the seconds between events while a reply was awaited; ``said`` is how many were.
    """

    def __init__(
        self, http: aiohttp.ClientSession, talk: Conversation, chance: random.Random, fleet: Fleet, name: str
    ) -> None:
        super().__init__(http, talk, chance)
        self.fleet = fleet
        self.name = name
        self.said = 0
        self.pauses: list[float] = []
        self._heard_at = 0.0

    @property
    def ended(self) -> bool:
        return sum(isinstance(event, ReplyEnd) for event in self.events) >= self.said

    def _take(self, frame: bytes) -> None:
        before = len(self.seqs)
        super()._take(frame)
        if len(self.seqs) > before:
            self._note()

    def _note(self) -> None:
        at = time.monotonic()
        self.pauses.append(at - self._heard_at)
        self._heard_at = at

    async def talk_on(self) -> None:
        """Say one thing after the other and hear the answers, as long as services are being replaced."""
        while self.fleet.stopping:
            await self._say()
            while not self.ended:
                try:
                    await self.live(self._chance.choice(self.fleet.serving))
                except aiohttp.ClientConnectionError:  # it stops just now
                    await asyncio.sleep(0.01)

    async def _say(self) -> None:
        """Until it is accepted, always as the same message."""
        mark = f"{self.name}-{self.said}"
        words = self._chance.choice((20, 40, 80))
        text = f"[[tool=once args=%7B%22mark%22:%22{mark}%22%7D n={words} d=30]]"
        body: dict[str, Any] = {
            "agent_id": self._talk.agent_id,
            "session_id": self._talk.session_id,
            "input": message(text, id=mark),
        }
        self._heard_at = time.monotonic()
        while True:
            service = self._chance.choice(self.fleet.serving)
            try:
                headers = {"x-user-id": self._talk.user.name}
                async with self._http.post(f"{service.url}/chat/", json=body, headers=headers) as answer:
                    assert answer.status == 200, await answer.text()
                    break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.01)
        self.said += 1


async def test_three_services_are_replaced_under_fifty_sessions_and_nobody_notices_more_than_a_pause(
    redis_url: str, redis_inside: Inside, provider: OpenAIServer, until: Until, tmp_path: Path
) -> None:
    chance, fleet, tools = seeded(), Fleet(), tmp_path / "tools"
    environment = {"VICTIM_TOOLS": str(tools)}
    took: list[float] = []
    connections = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connections) as http, asyncio.timeout(240):
        with ExitStack() as stack:

            async def started() -> Service:
                service = stack.enter_context(serving(redis_url, program=VICTIM, environment=environment))
                await service.ready(within=60)
                return service

            fleet.serving += [await started() for _ in range(3)]
            async with user_of(fleet.serving[0]) as ada:
                agent, credential = await ada.agent(), await ada.credential(provider.url)
                talks = [await ada.session(agent, credential) for _ in range(_MANY)]
            patrons = [Patron(http, talk, chance, fleet, f"p{n}") for n, talk in enumerate(talks)]
            async with asyncio.TaskGroup() as group:
                for patron in patrons:
                    group.create_task(patron.talk_on())
                await until(lambda: all(len(each.seqs) >= 5 for each in patrons), "all replies stream", within=60)
                for leaving in list(fleet.serving):
                    fleet.serving.remove(leaving)
                    began = time.monotonic()
                    assert await asyncio.to_thread(leaving.stop, 30) == 0
                    took.append(time.monotonic() - began)
                    fleet.serving.append(await started())
                fleet.stopping = False
            await until(redis_inside.at_rest, "nothing waits", within=20)
            async with user_of(fleet.serving[0]) as ada:
                stored = [await the_same(talk, ada).messages(limit=200) for talk in talks]

    longest = sorted((pause for patron in patrons for pause in patron.pauses), reverse=True)
    resumed = sum(
        isinstance(event, Custom) and event.name == REPLY_RESUMED for patron in patrons for event in patron.events
    )
    said, lives = sum(patron.said for patron in patrons), sum(patron.lives for patron in patrons)
    print(f"{said} replies, {resumed} changed workers, {lives} streams; stopped in {shown(took)} s")
    print(f"longest pauses {shown(longest[:5])} s")
    assert max(took) < _WITHIN
    assert longest[0] < _LONGEST
    assert Counter(lines(tools)) == {f"once {patron.name}-{n}": 1 for patron in patrons for n in range(patron.said)}
    for patron, messages in zip(patrons, stored, strict=True):
        assert patron.seqs == list(range(1, len(patron.seqs) + 1))
        assert patron.notices.count("stream_gap") == 0
        answers = [each for each in messages if each.role == "assistant"]
        assert [each.finished_reason for each in answers] == ["completed"] * patron.said
        assert replies(patron.events) == answers


def shown(seconds: list[float]) -> str:
    return ", ".join(f"{each:.2f}" for each in seconds)
