"""Connections to Redis are cut, Redis stands still, Redis crashes: nothing that was accepted is lost."""

import asyncio
import os
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress

import pytest
import redis

from agentsvc.bus.keys import SessionKeys
from agentsvc.domain.events import Event, TextBlockDelta
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Hang, Text, count
from tests.fakes.openai_server import OpenAIServer
from tests.flows.readers import followed, is_dense, words_in
from tests.redis_kinds.chosen import only_standalone
from tests.service import Conversation, Service, User, message, replies

pytestmark = pytest.mark.redis

ARGUMENTS = ("--lease-s", "2")
REDIS = ("--appendonly", "yes", "--enable-debug-command", "yes")

DOWN_MS = 3000


async def test_a_healthy_service_says_so_without_a_user(ada: User) -> None:
    answers = [await ada.client.get(path) for path in ("/health", "/health/", "/health/ready", "/health/live")]

    assert [answer.status_code for answer in answers] == [200] * 4
    assert {answer.json()["status"] for answer in answers} == {"ok"}
    assert answers[0].json()["version"]


async def test_streams_and_stops_outlive_the_loss_of_live_events(
    ada: User, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk = await ada.conversation(provider.url)
    async with talk.stream() as stream:
        await talk.told("[[n=150 d=10]]")
        for words in (20, 60, 100):
            while words_in(stream.events) < words:
                await stream.until(TextBlockDelta)
            assert database.client_kill_filter(_type="pubsub") > 0
        whole = await stream.reply()

        provider.script(Text("So far "), Hang())
        await talk.told("hi")
        await stream.until(TextBlockDelta)
        database.client_kill_filter(_type="pubsub")
        await talk.interrupt()
        stopped = await stream.reply(within=3)

    assert whole.text() == count(150)
    assert (stopped.finished_reason, stopped.text()) == ("interrupted", "So far ")
    assert is_dense(stream.events)


async def test_what_is_under_way_outlives_the_loss_of_every_connection(
    ada: User, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk = await ada.conversation(provider.url)
    async with talk.stream() as stream:
        await talk.told("[[n=150 d=10]]")
        for words in (20, 60, 100):
            while words_in(stream.events) < words:
                await stream.until(TextBlockDelta)
            database.client_kill_filter(_type="normal")
            await talk.told(f"[[text={words}]]")
        made = [await stream.reply(within=30) for _ in range(4)]

    await talk.idle()
    assert [each.text() for each in made] == [count(150), "20", "60", "100"]
    assert [each.finished_reason for each in made] == ["completed"] * 4
    assert is_dense(stream.events)
    assert [each.id for each in await talk.messages() if each.role == "assistant"] == [each.id for each in made]


@only_standalone("where there are several, another one takes its place")
async def test_a_redis_that_stands_still_delays_everything_and_loses_nothing(
    ada: User, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk, other = [await ada.conversation(provider.url) for _ in range(2)]
    await talk.told("[[n=400 d=10]]")
    reading = asyncio.create_task(followed(talk))
    await wait_until(lambda: provider.open, "the agent is at work")

    with stopped(database):
        sending = asyncio.create_task(kept(other, "[[text=Patience]]"))
        during = [await ada.client.get(path) for path in ("/health", "/health", "/health", "/health/live")]
    await healthy(ada)
    events = await reading
    await sending
    answered = await followed(other)

    assert [answer.status_code for answer in during] == [503, 503, 503, 200]
    assert during[0].json()["status"] == "not_ready"
    assert "not_ready" in during[0].json()["components"].values()
    assert is_dense(events)
    assert [each.text() for each in replies(events)] == [count(400)]
    assert [each.text() for each in replies(answered)] == ["Patience"]
    await agree(talk, events)
    await agree(other, answered)


@only_standalone("where there are several, another one takes its place")
async def test_a_redis_that_crashes_delays_everything_and_loses_nothing(
    ada: User, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk, other = [await ada.conversation(provider.url) for _ in range(2)]
    await talk.told("[[n=400 d=10]]")
    reading = asyncio.create_task(followed(talk))
    await wait_until(lambda: provider.open, "the agent is at work")
    process = database.info("server")["run_id"]

    await asyncio.to_thread(crash, database)
    sending = asyncio.create_task(kept(other, "[[text=Patience]]"))
    during = await ada.client.get("/health")
    await healthy(ada)
    events = await reading
    await sending
    answered = await followed(other)

    assert during.status_code == 503
    assert database.info("server")["run_id"] != process
    assert is_dense(events)
    assert [each.text() for each in replies(events)] == [count(400)]
    assert [each.text() for each in replies(answered)] == ["Patience"]
    await agree(talk, events)
    await agree(other, answered)
    after = await ada.conversation(provider.url)
    async with after.stream() as stream:
        await after.told("hi")
        await stream.until(TextBlockDelta)


async def test_a_service_that_stood_still_for_longer_than_its_lease_goes_on_and_can_be_stopped(
    ada: User, service: Service, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk = await ada.conversation(provider.url)
    provider.default = [Text("So far "), Hang()]
    async with talk.stream() as stream:
        await talk.told("hi")
        await stream.until(TextBlockDelta)
        with still(service):
            await wait_until(lambda: overdue(database, talk), "the lease has passed", within=10)
        await healthy(ada)
        await talk.interrupt()
        reply = await stream.reply(within=5)

    await talk.idle()
    assert (reply.finished_reason, reply.text()) == ("interrupted", "So far ")
    assert (await talk.messages())[1:] == [reply]
    assert "KeyError" not in service.said()


@contextmanager
def stopped(database: redis.Redis) -> Generator[None]:
    process = database.info("server")["process_id"]
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def crash(database: redis.Redis) -> None:
    """Redis ends without a word and starts again after a while, with what it has kept."""
    with suppress(redis.ConnectionError):
        database.execute_command("DEBUG", "CRASH-AND-RECOVER", DOWN_MS)


async def kept(talk: Conversation, text: str) -> None:
    """Say it again until it is accepted, as the same message."""
    said = message(text, id="m1")

    async def accepted() -> bool:
        answer = await talk.say(said)
        assert answer.status_code in (200, 503), answer.text
        return answer.status_code == 200

    await wait_until(accepted, "the message is accepted", within=40)


async def healthy(user: User) -> None:
    async def ok() -> bool:
        return (await user.client.get("/health")).status_code == 200

    await wait_until(ok, "the service is healthy again", within=20)


async def agree(talk: Conversation, events: list[Event]) -> None:
    """The transcript says what the stream said, and the message was kept once."""
    await talk.idle()
    transcript = await talk.messages()
    assert [each.role for each in transcript] == ["user", "assistant"]
    assert transcript[1:] == replies(events)


@contextmanager
def still(service: Service) -> Generator[None]:
    """No process of the service does anything."""
    os.killpg(service.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(service.process.pid, signal.SIGCONT)


def overdue(database: redis.Redis, talk: Conversation) -> bool:
    seconds, microseconds = database.time()
    deadline = int(database.hget(SessionKeys(talk.session_id).head, "deadline") or 0)
    return deadline + 500 < seconds * 1000 + microseconds // 1000
