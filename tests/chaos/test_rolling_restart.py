"""P10: a service that is told to stop leaves nothing behind and breaks nothing off: the other one goes on."""

import asyncio
import time

import aiohttp
import pytest

from agentsvc.domain.events import REPLY_RESUMED, Custom
from tests.chaos.conftest import Inside, the_same
from tests.chaos.followers import Follower, seeded
from tests.conftest import Until
from tests.fakes.openai_scripts import count
from tests.fakes.openai_server import OpenAIServer
from tests.service import replies, serving, user_of

pytestmark = pytest.mark.chaos

_SESSIONS = 20
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
