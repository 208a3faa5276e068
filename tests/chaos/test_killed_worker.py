"""P2: a worker is killed in the middle of a call, and the other one goes on with the reply."""

import os
import signal
import time
from pathlib import Path

import pytest

from agentsvc.domain.events import ReplyEnd
from agentsvc.domain.messages import ToolResultBlock
from tests.chaos.conftest import Inside, victim
from tests.conftest import Until
from tests.fakes.openai_scripts import Call, Calls, words
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.service import replies, user_of

pytestmark = [pytest.mark.chaos, pytest.mark.redis]


async def test_a_call_whose_worker_was_killed_is_not_made_again_and_the_reply_goes_on(
    redis_url: str, redis_inside: Inside, provider: OpenAIServer, tmp_path: Path, until: Until
) -> None:
    provider.script(*words("Let me see. "), Calls([Call("hang", {"mark": "once"})]))
    provider.script(*words("Nobody knows"))
    tools = tmp_path / "tools"
    with victim(redis_url, tools, workers=2) as service:
        await service.ready(within=60)
        await until(lambda: redis_inside.at_work() == 2, "both workers are there", within=60)
        async with user_of(service) as ada:
            talk = await ada.conversation(provider.url)
            await talk.told("hi")
            await until(lambda: lines(tools), "the call is made")

            os.kill(int(lines(tools)[0].split()[-1]), signal.SIGKILL)
            killed = time.monotonic()
            await until(lambda: len(provider.requests) == 2, "the other worker goes on", within=20)
            took = time.monotonic() - killed

            await service.ready(within=60)
            await talk.idle()
            _, reply = await talk.messages()
            async with talk.stream(after=0) as stream:
                await stream.until(ReplyEnd)
            await until(redis_inside.at_rest, "no request is left")

    (result,) = (block for block in reply.content if isinstance(block, ToolResultBlock))
    print(f"taken over after {took:.2f} s")
    assert result.state == "interrupted"
    assert len(lines(tools)) == 1
    assert (reply.text(), reply.finished_reason) == ("Let me see. \nNobody knows", "completed")
    assert replies(stream.events[1:]) == [reply]
    assert took < 5
