"""P9: whoever wants a reply to stop is heard, also when the signal gets lost."""

import asyncio
import time

import pytest

from agentsvc.domain.events import ReplyEnd, TextBlockDelta
from tests.chaos.conftest import Inside
from tests.conftest import Until
from tests.fakes.openai_server import OpenAIServer
from tests.service import Conversation, serving, user_of

pytestmark = [pytest.mark.chaos, pytest.mark.redis]

_SESSIONS = 50
_WORKERS = 4


@pytest.mark.parametrize("lost", [False, True], ids=["heard", "lost"])
async def test_fifty_sessions_that_are_stopped_at_once_stop_though_the_signals_may_be_lost(
    *, redis_url: str, redis_inside: Inside, provider: OpenAIServer, until: Until, lost: bool
) -> None:
    with serving(redis_url, workers=_WORKERS) as service:
        await service.ready(within=60)
        await until(lambda: redis_inside.at_work() == _WORKERS, "all workers are there", within=60)
        async with user_of(service) as ada:
            agent, credential = await ada.agent(), await ada.credential(provider.url)
            talks = [await ada.session(agent, credential) for _ in range(_SESSIONS)]
            await asyncio.gather(*(_begun(talk) for talk in talks))

            if lost:
                assert redis_inside.cut_pubsub() >= _WORKERS
            took = sorted(await asyncio.gather(*(_stopped(talk) for talk in talks)))

            print(f"from stop to REPLY_END: median {took[_SESSIONS // 2]:.2f} s, p99 {took[-1]:.2f} s")
            await asyncio.gather(*(talk.idle() for talk in talks))
            said = [await talk.messages() for talk in talks]
            again = await talks[0].told("[[text=Again]]")
            await talks[0].idle()
            last = (await talks[0].messages())[-1]

    assert [(len(messages), messages[-1].finished_reason) for messages in said] == [(2, "interrupted")] * _SESSIONS
    assert all(messages[-1].text() == "word0 word1 word2 " for messages in said)
    assert again
    assert (last.text(), last.finished_reason) == ("Again", "completed")
    await until(redis_inside.at_rest, "nothing waits")
    assert took[-1] < 3


async def _stopped(talk: Conversation) -> float:
    """Seconds from the wish to the end of the reply, as a client sees it."""
    async with talk.stream() as stream:
        began = time.monotonic()
        answer = await talk.interrupt()
        assert answer.status_code == 202
        await stream.until(ReplyEnd)
        return time.monotonic() - began


async def _begun(talk: Conversation) -> None:
    """Three words are said, and nothing will follow."""
    async with talk.stream() as stream:
        await talk.told("[[n=3 hang=mid]]")
        said = ""
        while said.count("word") < 3:
            said += (await stream.until(TextBlockDelta)).delta
