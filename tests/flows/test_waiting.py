"""What is said while a reply waits for a person: it is kept, in order, and the question can still be answered."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from agentsvc.domain.events import Event, ReplyEnd
from agentsvc.domain.messages import ToolCallBlock, ToolResultBlock
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Call, Calls
from tests.fakes.openai_server import OpenAIServer, words
from tests.fakes.tools import lines
from tests.flows.readers import is_dense
from tests.questions import ASKING, approvals, asked, confirmed, refused
from tests.service import ANEW, User, message, replies

pytestmark = pytest.mark.redis

PROGRAM = (sys.executable, "-m", "tests.flows.workshop")

MANY = "[[text=Heard%20all]]"


def ask(provider: OpenAIServer, mark: str = "a") -> None:
    provider.script(Calls([Call("deploy", {"mark": mark})]))
    provider.script(*words("All done"))


def ends(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, ReplyEnd)]


async def test_what_is_said_while_a_reply_waits_is_answered_after_it(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider)
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)

        await talk.told(message("one", id="m1"))
        await asyncio.gather(*(talk.say(message("one", id="m1"), **ANEW) for _ in range(3)))
        await talk.told(message("two", id="m2"))
        await talk.told([message("three", id="m3"), message(MANY, id="m4")])
        meanwhile = await talk.messages()
        status = await talk.status()
        await talk.told(confirmed(question))
        first, second = await stream.reply(), await stream.reply()
    await talk.idle()

    said = [each.text() for each in await talk.messages()]
    heard = [each["content"] for each in provider.requests[-1].body["messages"] if each["role"] == "user"]
    assert status in {ASKING, "running"}
    assert [each.text() for each in meanwhile if each.role == "user"] == ["go", "one", "two", "three", MANY]
    assert (first.id, first.text(), second.text()) == (question.reply_id, "All done", "Heard all")
    assert said == ["go", "All done", "one", "two", "three", MANY, "Heard all"]
    assert heard == ["go", "one", "two", "three", MANY]
    assert lines(trace) == ["deploy a"]
    assert len(provider.requests) == 3
    assert len(replies(stream.events)) == 2
    assert is_dense(stream.events)


async def test_what_was_said_is_also_answered_when_the_call_is_refused(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider)
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        await talk.told("[[text=Heard]]")
        await talk.told(refused(question))
        await stream.reply()
        reply = await stream.reply()
    await talk.idle()

    assert (reply.text(), lines(trace)) == ("Heard", [])


async def test_what_was_said_and_the_answer_may_come_at_once(ada: User, provider: OpenAIServer, trace: Path) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider)
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        sent = [talk.say(message(f"[[text=Heard%20{n}]]", id=f"m{n}"), **ANEW) for n in range(5)]
        answers = await asyncio.gather(*sent, *(talk.say(confirmed(question), **ANEW) for _ in range(3)))
        await talk.idle()
        said = await talk.messages()
        while len(ends(stream.events)) < len([each for each in said if each.role == "assistant"]):
            await stream.next()

    assert {answer.status_code for answer in answers} == {200}
    assert lines(trace) == ["deploy a"]
    assert {each.id for each in said if each.role == "user"} >= {f"m{n}" for n in range(5)}
    assert len({each.id for each in said}) == len(said)
    assert {each.finished_reason for each in replies(stream.events)} == {"completed"}
    assert [each for each in said if each.role == "assistant"] == replies(stream.events)
    assert is_dense(stream.events)


async def test_a_reply_that_waits_is_stopped_with_one_end_and_its_question_is_withdrawn(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Calls([Call("deploy", {"mark": "a"}), Call("deploy", {"mark": "b"})]))
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)

        await asyncio.gather(*(ada.ask("POST", talk.path("/interrupt"), headers=ANEW) for _ in range(3)))
        reply = await stream.reply()
        await talk.idle()
        settled = await approvals(talk)
        late = await talk.say(confirmed(question))
        missed = await ada.ask("POST", f"/approvals/{question.tool_calls[0].id}/answer", {"confirmed": True})
        await talk.idle()
        await talk.told("[[text=Here%20I%20am]]")
        after = await stream.reply()
    await talk.idle()

    states = [block.state for block in reply.content if isinstance(block, ToolResultBlock)]
    calls = {block.state for block in reply.content if isinstance(block, ToolCallBlock)}
    assert (reply.id, reply.finished_reason, states) == (question.reply_id, "interrupted", ["interrupted"] * 2)
    assert "asking" not in calls
    assert [each["status"] for each in settled] == ["withdrawn"]
    assert (late.status_code, missed.status_code, missed.json()["code"]) == (200, 409, "already_answered")
    assert after.text() == "Here I am"
    assert lines(trace) == []
    assert len(ends(stream.events)) == 2
    assert is_dense(stream.events)


async def test_what_waits_behind_a_question_is_answered_when_the_reply_is_stopped(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider)
    async with talk.stream() as stream:
        await talk.told("go")
        await asked(stream, talk)
        await talk.told(message("[[text=Heard]]", id="m1"))
        await talk.interrupt()
        stopped = await stream.reply()
        provider.reset()
        reply = await stream.reply()
    await talk.idle()

    assert (stopped.finished_reason, reply.finished_reason) == ("interrupted", "completed")
    assert lines(trace) == []


async def test_a_question_that_nobody_answers_in_time_is_answered_for_them(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    agents = {
        default: await ada.agent(approval_config={"expires_after": 0.5, "default_answer": default})
        for default in ("deny", "approve")
    }
    credential = await ada.credential(provider.url)
    for default, agent in agents.items():
        talk = await ada.session(agent, credential)
        ask(provider, default)
        async with talk.stream() as stream:
            await talk.told("go")
            question = await asked(stream, talk)
            assert (await approvals(talk))[0]["expires_at"] > (await approvals(talk))[0]["asked_at"]
            reply = await stream.reply()
        await talk.idle()
        await wait_until(lambda: approvals(talk), "the record is there")  # noqa: B023 - awaited here
        (record,) = await approvals(talk)
        late = await ada.ask("POST", f"/approvals/{question.tool_calls[0].id}/answer", {"confirmed": True})

        assert (record["status"], record["answered_by"], reply.text()) == ("expired", "expiry", "All done")
        assert late.status_code == 409
    assert lines(trace) == ["deploy approve"]


async def test_a_call_whose_result_never_comes_fails_in_time(ada: User, provider: OpenAIServer) -> None:
    agent = await ada.agent(approval_config={"expires_after": 0.5, "default_answer": "approve"})
    talk = await ada.session(agent, await ada.credential(provider.url))
    provider.script(Calls([Call("camera", {"mark": "cat"})]))
    provider.script(*words("A pity"))
    async with talk.stream() as stream:
        await talk.told("look")
        reply = await stream.reply()
    await talk.idle()

    (result,) = (block for block in reply.content if isinstance(block, ToolResultBlock))
    assert (result.state, reply.text()) == ("error", "A pity")
    assert [(each["status"], each["answered_by"]) for each in await approvals(talk)] == [("expired", "expiry")]
