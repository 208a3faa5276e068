"""P3: the stream loses nothing, whoever comes and goes and whatever is cut off meanwhile."""

import asyncio

import aiohttp
import pytest

from agentsvc.domain.events import STREAM_GAP, ReplyEnd, TextBlockDelta
from tests.chaos.conftest import Inside
from tests.chaos.followers import Follower, seeded, split
from tests.conftest import Until
from tests.fakes.openai_scripts import Step, Text, Thinking, count
from tests.fakes.openai_server import OpenAIServer
from tests.service import replies, serving, user_of

pytestmark = pytest.mark.chaos

_CLIENTS = 200
_DELTAS = 2_000


async def test_two_hundred_clients_that_come_and_go_see_every_event_once(
    redis_url: str, redis_inside: Inside, provider: OpenAIServer, until: Until
) -> None:
    chance = seeded()
    with serving(redis_url, workers=2) as service:
        await service.ready(within=60)
        await until(lambda: redis_inside.at_work() == 2, "both workers are there", within=60)
        connections = aiohttp.TCPConnector(limit=0, force_close=True)
        async with user_of(service) as ada, aiohttp.ClientSession(connector=connections) as http:
            talk = await ada.conversation(provider.url)
            followers = [Follower(http, talk, split(chance)) for _ in range(_CLIENTS)]
            cuts: list[int] = []

            async def follow(follower: Follower, joins: float) -> None:
                await asyncio.sleep(joins)
                await follower.follow(service)

            async def cut() -> None:
                for _ in range(6):
                    await asyncio.sleep(chance.uniform(0.5, 1.5))
                    cuts.append(redis_inside.cut_pubsub())

            async with asyncio.timeout(120), asyncio.TaskGroup() as group:
                for follower in followers[: _CLIENTS // 4]:  # there before anything is said
                    group.create_task(follow(follower, 0))
                await talk.told(f"[[n={_DELTAS} d=4]]")
                for follower in followers[_CLIENTS // 4 :]:
                    group.create_task(follow(follower, chance.uniform(0, 6)))
                group.create_task(cut())
            await talk.idle()
            _, stored = await talk.messages()

    print(f"{sum(each.lives for each in followers)} lives, {len(followers[0].seqs)} events, cut {cuts}")
    assert stored.text() == count(_DELTAS)
    assert sum(cuts) >= 6
    assert max(each.lives for each in followers) >= 3
    for follower in followers:
        assert follower.seqs == list(range(1, len(follower.seqs) + 1))
        assert [event.id for event in follower.events] == list(map(str, follower.seqs))
        assert replies(follower.events) == [stored]
        assert STREAM_GAP not in follower.notices
    assert sum(isinstance(event, TextBlockDelta) for event in followers[0].events) >= _DELTAS / 4


async def test_more_than_ten_thousand_events_of_one_reply_are_sent_again_from_the_start(
    redis_url: str, provider: OpenAIServer
) -> None:
    blocks = 2_500  # of each kind; an event each for start, delta and end
    pieces: list[Step] = []
    for number in range(blocks):
        pieces += (Thinking(f"thought{number} "), Text(f"word{number} "))
    provider.script(*pieces)
    with serving(redis_url) as service:
        await service.ready(within=60)
        async with user_of(service) as ada:
            talk = await ada.conversation(provider.url)
            await talk.told("on and on")
            await talk.idle(within=60)

            async with talk.stream(after=0) as stream:
                await stream.until(ReplyEnd)
            _, stored = await talk.messages()

    events = stream.events[1:]
    assert len(events) > 10_000
    assert [event.id for event in events] == [str(seq) for seq in range(1, len(events) + 1)]
    assert len(stored.content) == 2 * blocks
    assert replies(events) == [stored]
