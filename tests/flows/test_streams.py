"""Whoever reads a session, from whatever moment on, sees every event once and in order."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Any

import pytest
import redis

from agentsvc.bus.keys import SessionKeys
from agentsvc.domain.events import STREAM_GAP, STREAM_RESUMED, Custom, Event, ReplyEnd, TextBlockDelta
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Hold, Text, Thinking
from tests.fakes.openai_server import OpenAIServer
from tests.flows.readers import words_in
from tests.redis_kinds.chosen import only_standalone
from tests.service import Conversation, Reader, Service, User, replies

pytestmark = pytest.mark.redis

CLIENTS = 50
STREAMS = 1000


async def test_a_stream_whose_last_events_were_taken_back_gets_a_snapshot_and_goes_on(
    ada: User, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk = await ada.conversation(provider.url)
    names = SessionKeys(talk.session_id)
    await talk.told("[[text=One]]")
    await talk.idle()
    async with talk.stream(after=0) as stream:
        await stream.reply()
        kept = stream.seq
        await talk.told("[[text=Two]]")
        await stream.reply()
        await talk.idle()

        # As a fail-over does whose replica was behind.
        entries: Any = database.xrange(names.log, count=kept)
        database.delete(names.log)
        for entry, fields in entries:
            database.xadd(names.log, fields, id=entry)
        database.hset(names.head, "seq", kept)
        database.client_kill_filter(_type="pubsub")
        gap = await stream.until(Custom)
        before = len(stream.events)
        await talk.told("[[text=Three]]")
        for _ in range(2):
            await stream.reply()

    assert gap.name == STREAM_GAP
    assert [each.text() for each in replies(stream.events[before:])] == ["One", "Three"]
    assert len(entries) == kept < stream.seq


async def test_clients_that_join_at_any_moment_of_a_long_reply_miss_nothing(
    ada: User, service: Service, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk = await ada.conversation(provider.url)
    seen: list[list[Event]] = []

    async def join(after: int | None) -> None:
        async with talk.stream(after=after) as stream:
            await stream.reply(within=60)
            seen.append(logged(stream))

    async with talk.stream() as first, asyncio.TaskGroup() as group:
        await talk.told("[[n=400 d=5 hold=1]]")
        cursors = cycle((None, 0))
        for moment in sorted(random.sample(range(1, 400), CLIENTS)):
            while words_in(first.events) < moment:
                await first.until(TextBlockDelta)
            group.create_task(join(next(cursors)))
        await wait_until(lambda: listening(database, talk) == service.workers, "every worker has readers")
        provider.release()
        reply = await first.reply()

    assert words_in(first.events) == 400
    assert seen == [first.events] * CLIENTS
    assert replies(seen[0]) == [reply]


@pytest.mark.parametrize("cursor", ["last-event-id", "after"])
async def test_a_client_that_is_cut_off_again_and_again_misses_nothing(
    ada: User, provider: OpenAIServer, cursor: str
) -> None:
    talk = await ada.conversation(provider.url)
    seen: list[Event] = []
    greetings: list[Event] = []
    async with talk.stream() as first:
        await talk.told("[[n=200 d=3]]")
        while not (seen and isinstance(seen[-1], ReplyEnd)):
            at = int(seen[-1].id) if seen else 0
            opened = talk.stream(after=at) if cursor == "after" else talk.stream(None, **{cursor: str(at)})
            async with opened as stream:
                greetings.append(await stream.next())
                for _ in range(1 + len(greetings) * 7 % 20):
                    seen.append(await stream.next())
                    if isinstance(seen[-1], ReplyEnd):
                        break
        await first.reply()

    assert seen == first.events
    assert {event.name for event in greetings if isinstance(event, Custom)} == {STREAM_RESUMED}


async def test_a_cursor_of_the_header_beats_the_one_of_the_address(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    async with talk.stream() as first:
        await talk.told("hi")
        await first.reply()

    async with talk.stream(after=1, **{"last-event-id": "4"}) as stream:
        await stream.until(ReplyEnd)

    assert logged(stream) == first.events[4:]


async def test_a_reply_of_more_than_a_thousand_events_is_rebuilt_by_who_comes_late(
    ada: User, provider: OpenAIServer
) -> None:
    talk = await ada.conversation(provider.url)
    steps = [step for number in range(250) for step in (Thinking(f"thought{number} "), Text(f"word{number} "))]
    provider.script(*steps, Hold())
    async with talk.stream() as first:
        await talk.told("Think hard")
        while words_in(first.events) < 250:
            await first.until(TextBlockDelta)

        async with talk.stream() as late:
            await late.next()
            provider.release()
            during = await late.reply()
        await first.reply()
    await talk.idle()
    async with talk.stream(after=0) as afterwards:
        after = await afterwards.reply()

    stored = (await talk.messages())[-1]
    assert len(first.events) > 1000
    assert late.events == logged(afterwards) == first.events
    assert during == after == stored
    assert len(stored.content) == 500


@only_standalone("connections to one server are counted")
async def test_a_thousand_open_streams_slow_nobody_down_and_take_no_connection_to_redis(
    ada: User, service: Service, provider: OpenAIServer, database: redis.Redis
) -> None:
    agent_id, credential = await ada.agent(), await ada.credential(provider.url)
    talks = [await ada.session(agent_id, credential) for _ in range(20)]
    before = connections(database)
    async with opened(service, talks, STREAMS) as streams:
        began = time.monotonic()
        answers = [await ada.ask("GET", path) for path in (f"/agent/{agent_id}", talks[0].path(), "/health") * 5]
        took = time.monotonic() - began
        during = connections(database)

        await talks[0].told("[[text=Hello%20all]]")
        heard = await asyncio.gather(*(stream.readuntil(b"REPLY_END") for stream in streams[:: len(talks)]))

    assert {answer.status_code for answer in answers} == {200}
    assert took < 3
    assert during < 30
    assert during <= before + 2 * service.workers
    assert len(heard) == STREAMS // len(talks)
    assert all(b"all" in each for each in heard)


@asynccontextmanager
async def opened(service: Service, talks: list[Conversation], count: int) -> AsyncGenerator[list[asyncio.StreamReader]]:
    """Streams of these sessions in turn, on bare sockets: a thousand in a client's pool would measure the pool."""
    lines = await asyncio.gather(*(_opened(service, talks[number % len(talks)]) for number in range(count)))
    try:
        yield [reader for reader, _ in lines]
    finally:
        for _, writer in lines:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in lines))


async def _opened(service: Service, talk: Conversation) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    user = talk.user.name
    writer.write(f"GET {talk.path('/stream')} HTTP/1.1\r\nhost: localhost\r\nx-user-id: {user}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    await reader.readuntil(b":\n\n")
    return reader, writer


def connections(database: redis.Redis) -> int:
    return int(database.info("clients")["connected_clients"])


def listening(database: redis.Redis, talk: Conversation) -> int:
    """How many processes hear the session."""
    ((_, count),) = database.pubsub_shardnumsub(SessionKeys(talk.session_id).channel)
    return int(count)


def logged(stream: Reader) -> list[Event]:
    """What came, but for the greeting."""
    return [event for event in stream.events if not (isinstance(event, Custom) and event.name == STREAM_RESUMED)]
