"""P9: whoever wants a reply to stop is heard, also when the signal gets lost."""

import asyncio
import time

import pytest

from agentsvc.domain.events import TextBlockDelta
from tests.chaos.conftest import Inside
from tests.conftest import Until
from tests.fakes.openai_server import OpenAIServer
from tests.service import Conversation, serving, user_of

pytestmark = [pytest.mark.chaos, pytest.mark.redis]

_SESSIONS = 50


async def test_fifty_sessions_that_are_stopped_at_once_stop_though_the_signals_are_lost(
    redis_url: str, redis_inside: Inside, provider: OpenAIServer, until: Until
) -> None:
    with serving(redis_url, workers=2) as service:
        await service.ready(within=60)
        await until(lambda: redis_inside.at_work() == 2, "both workers are there", within=60)
        async with user_of(service) as ada:
            agent, credential = await ada.agent(), await ada.credential(provider.url)
            talks = [await ada.session(agent, credential) for _ in range(_SESSIONS)]
            await asyncio.gather(*(_begun(talk) for talk in talks))

            assert redis_inside.cut_pubsub() == 2
            began = time.monotonic()
            answers = await asyncio.gather(*(talk.interrupt() for talk in talks))
            await asyncio.gather(*(talk.idle(within=10) for talk in talks))
            took = time.monotonic() - began

            print(f"all idle {took:.2f} s after the first interrupt")
            said = [await talk.messages() for talk in talks]
            again = await talks[0].told("[[text=Again]]")
            await talks[0].idle()
            last = (await talks[0].messages())[-1]

    assert {answer.status_code for answer in answers} == {202}
    assert [(len(messages), messages[-1].finished_reason) for messages in said] == [(2, "interrupted")] * _SESSIONS
    assert all(messages[-1].text() == "word0 word1 word2 " for messages in said)
    assert again
    assert (last.text(), last.finished_reason) == ("Again", "completed")
    await until(redis_inside.at_rest, "nothing waits")
    assert took < 3


async def _begun(talk: Conversation) -> None:
    """Three words are said, and nothing will follow."""
    async with talk.stream() as stream:
        await talk.told("[[n=3 hang=mid]]")
        said = ""
        while said.count("word") < 3:
            said += (await stream.until(TextBlockDelta)).delta
