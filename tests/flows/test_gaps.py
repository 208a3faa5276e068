"""A service that keeps little of its logs and often gives a sign of life."""

from typing import Any

import anyio
import msgspec
import pytest
import redis

from agentsvc.bus.keys import SessionKeys
from agentsvc.domain.events import STREAM_GAP, STREAM_RESUMED, Custom, ReplyStart, TextBlockDelta
from agentsvc.domain.messages import Msg
from tests.fakes.openai_scripts import Hold
from tests.fakes.openai_server import OpenAIServer, words
from tests.service import Conversation, User

pytestmark = pytest.mark.redis

ARGUMENTS = ("--log-keep", "5", "--heartbeat-s", "0.2")


async def test_a_cursor_that_is_too_old_gets_a_snapshot_and_the_stream_goes_on(
    ada: User, provider: OpenAIServer
) -> None:
    talk = await ada.conversation(provider.url)
    await said(talk, "One", "Two")

    async with talk.stream(after=2) as stream:
        gap = await stream.next()
        kept = await stream.reply()
        latest = stream.seq
        await talk.told("[[text=Three]]")
        live = await stream.reply()

    assert isinstance(gap, Custom)
    assert gap.name == STREAM_GAP
    assert [each.text() for each in snapshot(gap)] == ["[[text=One]]", "One", "[[text=Two]]", "Two"]
    oldest = int(gap.value["oldest"])
    assert oldest > 3
    assert int(gap.value["latest"]) == latest
    assert isinstance(stream.events[1], ReplyStart)
    assert [int(event.id) for event in stream.events[1:]] == list(range(oldest, stream.seq + 1))
    assert (kept.text(), live.text()) == ("Two", "Three")


async def test_a_cursor_beyond_the_end_gets_a_snapshot_too(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    await said(talk, "One")

    async with talk.stream(after=10_000) as stream:
        gap = await stream.next()
        reply = await stream.reply()

    assert isinstance(gap, Custom)
    assert gap.name == STREAM_GAP
    assert reply.text() == "One"


async def test_the_last_thing_that_is_kept_is_no_gap(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    await said(talk, "One", "Two")
    async with talk.stream(after=0) as stream:
        oldest = int((await stream.until(ReplyStart)).id)

    async with talk.stream(after=oldest - 1) as stream:
        greeting = await stream.next()
        reply = await stream.reply()

    assert isinstance(greeting, Custom)
    assert greeting.name == STREAM_RESUMED
    assert reply.text() == "Two"


async def test_a_reply_in_flight_is_kept_however_long_it_is(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    await said(talk, "One")
    provider.script(*words("A reply of many many words", delay=0.005), Hold())
    async with talk.stream() as first:
        await talk.told("Tell me more")
        while (await first.until(TextBlockDelta)).delta[-5:] != "words":
            pass

        async with talk.stream() as late:
            await late.next()
            provider.release()
            reply = await late.reply()
        await first.reply()

    assert late.events == first.events
    assert len(first.events) > 5
    assert reply.text() == "A reply of many many words"


async def test_a_log_is_trimmed_by_whole_replies(ada: User, provider: OpenAIServer, database: redis.Redis) -> None:
    talk = await ada.conversation(provider.url)

    await said(talk, "One", "Two", "Three", "Four")

    entries: Any = database.xrange(SessionKeys(talk.session_id).log, count=1)
    oldest = int(entries[0][0][:-2])
    async with talk.stream(after=oldest - 1) as stream:
        last = await stream.reply()
    assert last.text() == "Four"
    assert [each.text() for each in await talk.messages()][-1] == "Four"


async def test_a_silent_stream_gives_a_sign_of_life_and_passes_proxies(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)

    async with talk.stream() as stream:
        with anyio.fail_after(5):
            lines = stream.lines()
            heard = [await anext(lines) for _ in range(6)]

    headers = stream.response.headers
    assert heard == [b":", b""] * 3
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"
    assert "content-length" not in headers
    assert "content-encoding" not in headers


async def said(talk: Conversation, *texts: str) -> None:
    """One reply for each of these texts."""
    for text in texts:
        await talk.told(f"[[text={text}]]")
        await talk.idle()


def snapshot(gap: Custom) -> list[Msg]:
    return msgspec.convert(gap.value["messages"], list[Msg])
