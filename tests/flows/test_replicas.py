"""Two replicas on one Redis: it makes no difference which of them a client reaches."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from itertools import cycle

import pytest
import redis

from agentsvc.bus.keys import SessionKeys
from agentsvc.domain.events import TextBlockDelta
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Hang, Hold
from tests.fakes.openai_server import OpenAIServer, words
from tests.flows.readers import is_dense, words_in
from tests.redis_kinds.chosen import only_standalone
from tests.service import Conversation, Reader, Service, User, message, replies, serving, user_of

pytestmark = pytest.mark.redis

TRIGGERS = 100


@pytest.fixture(scope="module")
def replica(service: Service) -> Iterator[Service]:
    """Another service on the same Redis."""
    with serving(service.redis_url) as running:
        yield running


@pytest.fixture
async def there(ada: User, service: Service, replica: Service, database: redis.Redis) -> AsyncIterator[User]:
    """Ada, at the other service."""
    await replica.ready(within=60)
    await wait_until(lambda: len(database.pubsub_channels("{w:*}")) > service.workers, "both are at work")
    async with user_of(replica, ada.name) as user:
        yield user


async def test_a_hundred_triggers_are_a_hundred_runs(ada: User, there: User, provider: OpenAIServer) -> None:
    agent_id, credential = await ada.agent(), await ada.credential(provider.url)
    talks = await asyncio.gather(*(ada.session(agent_id, credential) for _ in range(TRIGGERS)))
    senders = [at(user, talk) for user, talk in zip(cycle((ada, there)), talks, strict=False)]

    await asyncio.gather(*(talk.told(f"[[text=number-{number}]]") for number, talk in enumerate(senders)))
    for talk in talks:
        await talk.idle(within=30)

    transcripts = await asyncio.gather(*(talk.messages() for talk in talks))
    assert [[each.text() for each in transcript] for transcript in transcripts] == [
        [f"[[text=number-{number}]]", f"number-{number}"] for number in range(TRIGGERS)
    ]
    assert len(provider.requests) == TRIGGERS


async def test_a_hundred_triggers_of_one_session_are_a_hundred_replies(
    ada: User, there: User, provider: OpenAIServer
) -> None:
    talk = await ada.conversation(provider.url)
    senders = [at(user, talk) for user, _ in zip(cycle((ada, there)), range(TRIGGERS), strict=False)]
    async with talk.stream() as stream:
        await asyncio.gather(*(each.told(f"[[text=number-{number}]]") for number, each in enumerate(senders)))
        for _ in range(TRIGGERS):
            await stream.reply()

    await talk.idle()
    answers = [each.text() for each in replies(stream.events)]
    assert sorted(map(str, answers)) == sorted(f"number-{number}" for number in range(TRIGGERS))
    assert len(provider.requests) == TRIGGERS
    assert is_dense(stream.events)


@only_standalone("commands are counted on one server")
async def test_a_follow_up_costs_one_reply_and_no_storm_of_commands(
    ada: User, there: User, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk = await ada.conversation(provider.url)
    async with talk.stream() as stream:
        await talk.told("[[n=300 d=10]]")
        alone = await commands_until(stream, 100, database)

        await at(there, talk).told("[[text=Second]]")
        followed = await commands_until(stream, 200, database)
        await stream.reply()
        last = await stream.reply()

    await talk.idle()
    assert followed < 1.5 * alone + 50
    assert last.text() == "Second"
    assert len(provider.requests) == 2
    assert len(await talk.messages()) == 4


async def test_a_run_of_one_replica_is_stopped_by_way_of_the_other(
    ada: User, there: User, service: Service, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(*words("So far "), Hang())
    async with talk.stream() as stream:
        await talk.told("hi")
        await stream.until(TextBlockDelta)

        elsewhere = at(there if runs_on(service, talk, database) else ada, talk)
        answer = await elsewhere.interrupt()
        reply = await stream.reply(within=1)

    assert answer.status_code == 202
    assert reply.finished_reason == "interrupted"
    await wait_until(lambda: provider.requests[0].gone, "the model is asked no more")


async def test_a_run_of_one_replica_is_watched_at_the_other(
    ada: User, there: User, service: Service, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(*words("Seen "), Hold(), *words("everywhere"))
    async with talk.stream() as here, at(there, talk).stream() as afar:
        await talk.told("hi")
        await here.until(TextBlockDelta)

        elsewhere = at(there if runs_on(service, talk, database) else ada, talk)
        async with elsewhere.stream() as late:
            await late.until(TextBlockDelta)
            provider.release()
            await late.reply()
        await here.reply()
        await afar.reply()

    assert here.events == afar.events == late.events
    assert [each.text() for each in await elsewhere.messages()] == ["hi", "Seen everywhere"]


async def test_what_is_said_by_way_of_both_at_once_is_one_message(
    ada: User, there: User, provider: OpenAIServer
) -> None:
    talk = await ada.conversation(provider.url)
    said = message("[[text=Once]]", id="m1")

    runs = await asyncio.gather(*(at(user, talk).told(said) for user in (ada, there) * 10))
    await talk.idle()
    await at(there, talk).told("[[text=Twice]]")
    await talk.idle()

    assert len(set(runs)) == 1
    assert [each.text() for each in await talk.messages()] == ["[[text=Once]]", "Once", "[[text=Twice]]", "Twice"]
    assert len(provider.requests) == 2


def at(user: User, talk: Conversation) -> Conversation:
    """The same session by way of this user's service."""
    return Conversation(user, talk.agent_id, talk.session_id)


def runs_on(service: Service, talk: Conversation, database: redis.Redis) -> bool:
    """Whether a worker of this service holds the session; its name ends with its process id and a suffix."""
    worker = database.hget(SessionKeys(talk.session_id).head, "worker")
    assert isinstance(worker, bytes)
    return os.getpgid(int(worker.split(b"-")[-2])) == service.process.pid


async def commands_until(stream: Reader, count: int, database: redis.Redis) -> int:
    """How many commands Redis carries out until so many words have come."""
    before = commands(database)
    while words_in(stream.events) < count:
        await stream.until(TextBlockDelta)
    return commands(database) - before


def commands(database: redis.Redis) -> int:
    return sum(each["calls"] for each in database.info("commandstats").values())
