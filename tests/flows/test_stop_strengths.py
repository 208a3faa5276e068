"""How strongly a reply is stopped: after its step, at once, or as if it had never been."""

import sys
from pathlib import Path

import pytest

from agentsvc.domain.events import ReplyEnd, TextBlockDelta
from agentsvc.domain.messages import ToolResultBlock
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Call, Calls, Hang, Hold, words
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.flows.readers import is_dense
from tests.questions import approvals, ask, asked
from tests.service import ANEW, Conversation, User

pytestmark = pytest.mark.redis

PROGRAM = (sys.executable, "-m", "tests.flows.workshop")


async def stop(talk: Conversation, strength: str) -> int:
    answer = await talk.user.ask("POST", talk.path("/interrupt") + f"&strength={strength}", headers=ANEW)
    return answer.status_code


async def test_a_reply_that_is_stopped_after_its_step_says_what_it_was_saying_and_does_no_more(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(*words("One "), Hold(), *words("two "), Calls([Call("once", {"mark": "a"})]))
    async with talk.stream() as stream:
        await talk.told("hi")
        await stream.until(TextBlockDelta)
        assert await stop(talk, "step") == 202
        provider.release()
        reply = await stream.reply()
    await talk.idle()
    await talk.told("[[text=Again]]")
    await talk.idle()

    assert (reply.text(), reply.finished_reason) == ("One two ", "interrupted")
    assert [block.state for block in reply.content if isinstance(block, ToolResultBlock)] == ["interrupted"]
    assert lines(trace) == []
    assert (await talk.messages())[-1].text() == "Again"


async def test_a_stronger_wish_comes_through_while_a_weaker_one_waits(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(*words("One "), Hang())
    async with talk.stream() as stream:
        await talk.told("hi")
        await stream.until(TextBlockDelta)
        await stop(talk, "step")
        await stop(talk, "now")
        reply = await stream.reply(within=5)

    assert (reply.text(), reply.finished_reason) == ("One ", "interrupted")


async def test_a_reply_that_is_discarded_is_nowhere_but_in_the_log(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(*words("Nonsense "), Hang())
    async with talk.stream() as stream:
        await talk.told("hi")
        await stream.until(TextBlockDelta)
        await stop(talk, "discard")
        end: ReplyEnd = await stream.until(ReplyEnd, within=5)
        await talk.idle()
        left = await talk.messages()
        await talk.told("[[text=Again]]")
        again = await stream.reply()
    await talk.idle()

    assert (end.finished_reason, end.metadata) == ("interrupted", {"discarded": True})
    assert [each.text() for each in left] == ["hi"]
    assert [each.text() for each in await talk.messages()] == ["hi", "[[text=Again]]", "Again"]
    assert again.finished_reason == "completed"
    assert "Nonsense" not in str(provider.requests[-1].body)
    assert is_dense(stream.events)


@pytest.mark.parametrize("strength", ["step", "now", "discard"])
async def test_a_reply_that_waits_for_an_answer_is_closed_by_every_strength(
    ada: User, provider: OpenAIServer, trace: Path, strength: str
) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider, "a")
    async with talk.stream() as stream:
        await talk.told("go")
        await asked(stream, talk)
        await stop(talk, strength)
        end: ReplyEnd = await stream.until(ReplyEnd, within=5)
    await talk.idle()

    async def withdrawn() -> bool:
        return [each["status"] for each in await approvals(talk)] == ["withdrawn"]

    await wait_until(withdrawn, "the question is withdrawn")
    assert end.finished_reason == "interrupted"
    assert len(await talk.messages()) == (1 if strength == "discard" else 2)
    assert lines(trace) == []


async def test_an_unknown_strength_is_refused_by_name(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)

    answer = await talk.user.ask("POST", talk.path("/interrupt") + "&strength=gently")

    assert answer.status_code == 422
    assert [each["path"] for each in answer.json()["errors"]] == ["strength"]
