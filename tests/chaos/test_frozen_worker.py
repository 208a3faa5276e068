"""P4: a worker that sleeps through the end of its lease and wakes up finds that it may not write any more."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentsvc.domain.events import REPLY_RESUMED, Custom, ReplyEnd
from agentsvc.domain.messages import ToolResultBlock
from tests.chaos.conftest import Inside, the_same, victim
from tests.conftest import Until
from tests.fakes.openai_scripts import Call, Calls, Hang, Hold, Step, count, words
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.service import Conversation, Service, replies, user_of

pytestmark = [pytest.mark.chaos, pytest.mark.redis]

_NOTICED = "run left to another worker"
_STREAMING = words(count(1000), delay=0.01)
_SILENT = [*words("It began"), Hang()]
_IN_A_TOOL = [Calls([Call("hang", {"mark": "frozen"})])]


def freeze(service: Service) -> None:
    """Nothing of it moves until ``thaw``."""
    os.killpg(service.process.pid, signal.SIGSTOP)


def thaw(service: Service) -> None:
    os.killpg(service.process.pid, signal.SIGCONT)


@pytest.mark.parametrize("script", [_STREAMING, _SILENT, _IN_A_TOOL], ids=["streaming", "silent", "in a tool"])
async def test_a_worker_that_wakes_up_after_its_lease_writes_nothing(
    *,
    redis_url: str,
    redis_inside: Inside,
    provider: OpenAIServer,
    tmp_path: Path,
    until: Until,
    script: Sequence[Step],
) -> None:
    with victim(redis_url, tmp_path / "tools") as sleeper:
        talk = await _begun(sleeper, redis_inside, provider, script, until)
        freeze(sleeper)
        provider.script(*words("Done at last"))
        with victim(redis_url, tmp_path / "tools") as heir:
            await heir.ready(within=60)
            async with user_of(sleeper) as ada, user_of(heir) as ada_elsewhere:
                there = the_same(talk, ada_elsewhere)
                await there.idle(within=20)
                before = redis_inside.of_session(talk.session_id)

                thaw(sleeper)
                await until(lambda: _NOTICED in sleeper.said(), "it has noticed", within=20)

                assert redis_inside.of_session(talk.session_id) == before
                await until(redis_inside.at_rest, "no request is left")
                said = await there.messages()
                await _say_again(the_same(talk, ada))
                await _say_again(there)

    _, reply = said
    assert (reply.text(), reply.finished_reason) == ("Done at last", "completed")
    assert lines(tmp_path / "tools")[1:] == []
    assert [block.state for block in reply.content if isinstance(block, ToolResultBlock)] in ([], ["interrupted"])


async def test_a_request_is_not_lost_between_a_worker_that_wakes_up_and_one_that_dies(
    redis_url: str, redis_inside: Inside, provider: OpenAIServer, tmp_path: Path, until: Until
) -> None:
    with victim(redis_url, tmp_path / "tools") as sleeper:
        talk = await _begun(sleeper, redis_inside, provider, _SILENT, until)
        freeze(sleeper)
        provider.script(*words("It began once more"), Hold())
        provider.script(*words("Done at last"))
        with victim(redis_url, tmp_path / "tools") as heir:
            await heir.ready(within=60)
            await until(lambda: len(provider.requests) == 2, "another worker goes on", within=20)

            thaw(sleeper)
            await until(lambda: _NOTICED in sleeper.said(), "it has noticed", within=20)
            heir.kill()

        async with user_of(sleeper) as ada:
            here = the_same(talk, ada)
            await here.idle(within=20)
            _, reply = await here.messages()
            async with here.stream(after=0) as stream:
                await stream.until(ReplyEnd)
            await until(redis_inside.at_rest, "no request is left")
            await _say_again(here)

    resumed = [event for event in stream.events if isinstance(event, Custom) and event.name == REPLY_RESUMED]
    assert (reply.text(), reply.finished_reason) == ("Done at last", "completed")
    assert replies(stream.events[1:]) == [reply]
    assert len(resumed) == 2


async def _begun(
    service: Service, looking: Inside, provider: OpenAIServer, script: Sequence[Step], until: Until
) -> Conversation:
    """A session whose reply is under way; its words, or its call, have come in."""
    await service.ready(within=60)
    provider.script(*script)
    async with user_of(service) as ada:
        talk = await ada.conversation(provider.url)
        await talk.told("hi")
        begun = (b"TEXT_BLOCK_DELTA", b"TOOL_RESULT_START")

        def under_way() -> bool:
            return any(
                kind in fields[b"e"] for _, fields in looking.of_session(talk.session_id)["log"] for kind in begun
            )

        await until(under_way, "the reply is under way")
    return talk


async def _say_again(talk: Conversation) -> None:
    await talk.told("[[text=Again]]")
    await talk.idle()
    *_, said, reply = await talk.messages()
    assert (said.text(), reply.text(), reply.finished_reason) == ("[[text=Again]]", "Again", "completed")
