"""Stop stops, and nothing else does."""

import asyncio

import pytest
import redis

from agentsvc.domain.events import ReplyEnd, TextBlockDelta
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Hang, Text
from tests.fakes.openai_server import OpenAIServer, words
from tests.flows.readers import is_dense
from tests.flows.traces import traces
from tests.service import ANEW, User, message

pytestmark = pytest.mark.redis

AT_ONCE = 1.0


async def test_a_reply_that_is_stopped_ends_at_once_with_what_was_said(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(*words("So far "), Hang())
    async with talk.stream() as stream:
        await talk.told("hi")
        while (await stream.until(TextBlockDelta)).delta[-4:] != "far ":
            pass

        answer = await ada.ask("POST", talk.path("/interrupt"), headers=ANEW)
        reply = await stream.reply(within=AT_ONCE)

    await talk.idle(within=AT_ONCE)
    await wait_until(lambda: provider.requests[0].gone, "the model is asked no more")
    assert answer.status_code == 202
    assert answer.json() == {"session_id": talk.session_id}
    assert (reply.finished_reason, reply.text(), reply.error) == ("interrupted", "So far ", None)
    assert (await talk.messages())[-1] == reply


async def test_a_reply_can_be_stopped_before_the_model_answers(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Hang())
    async with talk.stream() as stream:
        await talk.told("hi")
        await wait_until(lambda: provider.requests, "the model is asked")

        await talk.interrupt()
        reply = await stream.reply(within=AT_ONCE)

    assert (reply.finished_reason, reply.content) == ("interrupted", [])


async def test_after_a_stop_the_session_goes_on(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Text("So far "), Hang())
    async with talk.stream() as stream:
        await talk.told("hi")
        await stream.until(TextBlockDelta)
        await asyncio.gather(*(talk.interrupt() for _ in range(5)))
        stopped = await stream.reply()
        await talk.told("[[text=Here%20I%20am]]")
        reply = await stream.reply()

    await talk.idle()
    assert stopped.finished_reason == "interrupted"
    assert (reply.finished_reason, reply.text()) == ("completed", "Here I am")
    asked = provider.requests[-1].body["messages"]
    assert [each["role"] for each in asked] == ["system", "user", "assistant", "user"]
    assert "So far" in str(asked[2]["content"])


async def test_what_waits_behind_a_stopped_reply_is_answered(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Text("So far "), Hang())
    async with talk.stream() as stream:
        await talk.told("hi")
        await stream.until(TextBlockDelta)
        await talk.told(message("[[text=Second]]"))

        await talk.interrupt()
        first, second = await stream.reply(), await stream.reply()

    assert [first.finished_reason, second.finished_reason] == ["interrupted", "completed"]
    assert second.text() == "Second"


async def test_an_interrupt_of_an_idle_session_is_accepted_and_nothing_happens(
    ada: User, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk = await ada.conversation(provider.url)
    async with talk.stream() as stream:
        fresh = await talk.interrupt()
        await talk.told("[[text=One]]")
        await stream.reply()
        await talk.idle()
        before = traces(database)

        answers = [await ada.ask("POST", talk.path("/interrupt"), headers=ANEW) for _ in range(4)]

        assert {answer.status_code for answer in (fresh, *answers)} == {202}
        assert traces(database) == before
        await talk.told("[[text=Two]]")
        end = await stream.until(ReplyEnd)

    assert end.finished_reason == "completed"
    assert is_dense(stream.events)
    assert [each.text() for each in await talk.messages()] == ["[[text=One]]", "One", "[[text=Two]]", "Two"]


async def test_a_client_that_leaves_stops_nothing(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    async with talk.stream() as stream:
        await talk.told("[[n=50 d=5]]")
        await stream.until(TextBlockDelta)

    await talk.idle()
    reply = (await talk.messages())[-1]
    assert reply.finished_reason == "completed"
    assert str(reply.text()).endswith("word49 ")
