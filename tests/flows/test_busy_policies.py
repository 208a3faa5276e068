"""What a client says while the agent is at work: it joins in, is turned away, or takes the agent off its work."""

import sys

import httpx
import pytest

from agentsvc.domain.events import HintBlockEvent, TextBlockDelta
from agentsvc.domain.messages import HintBlock, ToolResultBlock
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Call, Calls, Hold, words
from tests.fakes.openai_server import OpenAIServer
from tests.flows.readers import is_dense
from tests.questions import asked, confirmed
from tests.service import ANEW, Conversation, Reader, User, message, replies

pytestmark = pytest.mark.redis

PROGRAM = (sys.executable, "-m", "tests.flows.workshop")


async def say(talk: Conversation, given: object, policy: object, **headers: str) -> httpx.Response:
    body = {"agent_id": talk.agent_id, "session_id": talk.session_id, "input": given, "busy_policy": policy}
    return await talk.user.ask("POST", "/chat/", body, headers={**ANEW, **headers})


async def begun(talk: Conversation, stream: Reader, given: object = "hi") -> None:
    """The model says something, and holds until it is released."""
    await talk.told(given)
    await stream.until(TextBlockDelta)


async def test_what_is_said_meanwhile_is_heard_at_the_next_step_of_the_same_reply(
    ada: User, provider: OpenAIServer
) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(*words("Let me see. "), Hold(), Calls([Call("echo", {"text": "one"})]))
    provider.script(*words("Both done"))
    async with talk.stream() as stream:
        await begun(talk, stream)
        first = await talk.told(message("and two", id="m2"))
        await talk.told(message("and two", id="m2"))
        provider.release()
        hint = await stream.until(HintBlockEvent)
        reply = await stream.reply()
    await talk.idle()

    said = await talk.messages()
    asked_for = provider.requests[-1].body["messages"]
    assert [each.text() for each in said if each.role == "user"] == ["hi", "and two"]
    assert said[1] == reply == replies(stream.events)[0]
    assert hint.block_id == "m2"
    assert [block.hint for block in reply.content if isinstance(block, HintBlock)] == ["and two"]
    assert [each["role"] for each in asked_for] == ["system", "user", "assistant", "tool", "user"]
    assert "and two" in str(asked_for[-1]["content"])
    assert len(provider.requests) == 2
    assert (await ada.ask("GET", f"/runs/{first}")).json()["reply_id"] == reply.id
    assert is_dense(stream.events)


async def test_what_is_said_during_the_last_step_is_answered_by_a_reply_of_its_own(
    ada: User, provider: OpenAIServer
) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(*words("First "), Hold())
    async with talk.stream() as stream:
        await begun(talk, stream)
        await talk.told("[[text=Second]]")
        provider.release()
        made = [await stream.reply() for _ in range(2)]
    await talk.idle()

    assert [each.text() for each in made] == ["First ", "Second"]
    assert [each.text() for each in await talk.messages()] == ["hi", "First ", "[[text=Second]]", "Second"] or [
        each.text() for each in await talk.messages()
    ] == ["hi", "[[text=Second]]", "First ", "Second"]


async def test_a_message_that_does_not_wait_is_turned_away_and_the_reply_goes_on(
    ada: User, provider: OpenAIServer
) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(*words("First "), Hold())
    async with talk.stream() as stream:
        await begun(talk, stream)
        refused = await say(talk, message("no", id="m2"), "reject")
        provider.release()
        reply = await stream.reply()
    await talk.idle()
    accepted = await say(talk, message("[[text=Now]]", id="m2"), "reject")
    await talk.idle()

    assert (refused.status_code, refused.json()["code"]) == (409, "session_busy")
    assert (reply.text(), reply.finished_reason) == ("First ", "completed")
    assert accepted.status_code == 200
    assert [each.text() for each in await talk.messages()] == ["hi", "First ", "[[text=Now]]", "Now"]


async def test_a_message_that_interrupts_is_answered_after_what_it_has_stopped(
    ada: User, provider: OpenAIServer
) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(*words("First "), Hold())
    async with talk.stream() as stream:
        await begun(talk, stream)
        for _ in range(2):
            answer = await say(talk, message("[[text=Second]]", id="m2"), "interrupt")
            assert answer.status_code == 200
        made = [await stream.reply(within=5) for _ in range(2)]
    await talk.idle()

    assert [(each.text(), each.finished_reason) for each in made] == [
        ("First ", "interrupted"),
        ("Second", "completed"),
    ]
    assert len([each for each in await talk.messages() if each.role == "user"]) == 2
    assert is_dense(stream.events)


async def test_a_message_that_interrupts_a_tool_is_no_part_of_the_reply_that_ends(
    ada: User, provider: OpenAIServer
) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Calls([Call("hang", {"mark": "a"})]))
    async with talk.stream() as stream:
        await talk.told("hi")
        await wait_until(lambda: len(provider.requests) == 1, "the model was asked")
        await say(talk, message("[[text=Second]]"), "interrupt")
        first, second = [await stream.reply(within=5) for _ in range(2)]
    await talk.idle()

    assert first.finished_reason == "interrupted"
    assert not any(isinstance(block, HintBlock) for block in first.content)
    assert [block.state for block in first.content if isinstance(block, ToolResultBlock)] in ([], ["interrupted"])
    assert (second.text(), second.finished_reason) == ("Second", "completed")


async def test_a_message_that_interrupts_closes_what_waits_for_an_answer(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Calls([Call("deploy", {"mark": "a"})]))
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        await say(talk, message("[[text=Never%20mind]]"), "interrupt")
        first, second = [await stream.reply(within=5) for _ in range(2)]
    await talk.idle()
    late = await talk.say(confirmed(question))
    await talk.idle()

    assert (first.id, first.finished_reason) == (question.reply_id, "interrupted")
    assert (second.text(), second.finished_reason) == ("Never mind", "completed")
    assert late.status_code in (200, 409)
    assert len(await talk.messages()) == 4


@pytest.mark.parametrize("policy", ["wait", "", None, 1])
async def test_an_unknown_policy_is_refused_by_name(ada: User, provider: OpenAIServer, policy: object) -> None:
    talk = await ada.conversation(provider.url)

    answer = await say(talk, message("hi"), policy)

    assert answer.status_code == 422
    assert [each["path"] for each in answer.json()["errors"]] == ["busy_policy"]
    assert await talk.messages() == []
