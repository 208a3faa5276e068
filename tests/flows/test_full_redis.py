"""Redis answers but refuses to write: what comes then is put off, and nothing that was accepted is lost or doubled."""

import asyncio

import pytest
import redis

from tests.conftest import wait_until
from tests.fakes.openai_scripts import count
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.refusals import FULL, REFUSALS, Refusal
from tests.flows.readers import followed, is_dense, words_in
from tests.flows.test_outages import healthy, kept
from tests.redis_kinds.chosen import only_standalone
from tests.service import User, message, replies

ARGUMENTS = ("--lease-s", "2")

pytestmark = [
    only_standalone("one server is told to refuse"),
    pytest.mark.parametrize("service", [2], indirect=True, scope="module"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
async def test_a_redis_that_refuses_to_write_delays_everything_and_loses_nothing(
    ada: User, provider: OpenAIServer, database: redis.Redis, refusal: Refusal
) -> None:
    talk, before, other = [await ada.conversation(provider.url) for _ in range(3)]
    async with talk.stream() as stream:
        await talk.told("[[n=150 d=10]]")
        while words_in(stream.events) < 10:
            await stream.next()
        await before.told("[[text=Accepted f=500]]")

        with refusal.of(database):
            refused = await other.say(message("[[text=Patience]]", id="m1"))
            ready, live = await ada.client.get("/health/ready"), await ada.client.get("/health/live")
        await healthy(ada)
        await kept(other, "[[text=Patience]]")
        await stream.reply()

    events, accepted, answered = [await followed(each) for each in (talk, before, other)]
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert (ready.status_code, live.status_code) == (503, 200)
    assert is_dense(events)
    assert [each.text() for each in replies(events)] == [count(150)]
    assert [each.text() for each in replies(accepted)] == ["Accepted"]
    assert [each.text() for each in replies(answered)] == ["Patience"]
    for each in (talk, before, other):
        await each.idle()
        assert [message.role for message in await each.messages()] == ["user", "assistant"]


async def test_what_can_be_read_is_read_meanwhile(ada: User, provider: OpenAIServer, database: redis.Redis) -> None:
    talk = await ada.conversation(provider.url)
    await talk.told("[[text=Hello]]")
    await talk.idle()

    with FULL.of(database):
        refused = asyncio.create_task(talk.say("[[text=Again]]"))
        await wait_until(lambda: database.info("stats")["total_error_replies"] > 0, "a write is refused")
        said = [each.text() for each in await talk.messages()]
        answer = await refused

    assert said == ["[[text=Hello]]", "Hello"]
    assert answer.status_code == 503
