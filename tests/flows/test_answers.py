"""An answer counts once, for what was asked, whoever gives it and how fast."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from agentsvc.domain.events import (
    ReplyEnd,
    ReplyStart,
    RequireUserConfirm,
    UserConfirmResult,
)
from agentsvc.domain.messages import ToolResultBlock
from tests.fakes.openai_scripts import Call, Calls
from tests.fakes.openai_server import OpenAIServer, words
from tests.fakes.tools import lines
from tests.flows.readers import is_dense
from tests.flows.traces import traces
from tests.questions import approvals, ask, asked, by, confirmed, refused, rule
from tests.service import ANEW, User

PROGRAM = (sys.executable, "-m", "tests.flows.workshop")


@pytest.mark.parametrize("way", ["chat", "approvals"])
async def test_a_question_can_be_answered_as_soon_as_its_event_is_there(
    ada: User, provider: OpenAIServer, trace: Path, way: str
) -> None:
    talk = await ada.conversation(provider.url)
    for number in range(10):
        ask(provider, f"a{number}")
        async with talk.stream() as stream:
            await talk.told("go")
            question = await stream.until(RequireUserConfirm)
            answer = await by(way, talk, question, yes=True, **ANEW)
            assert answer == 200
            await stream.reply()
        await talk.idle()

    assert lines(trace) == [f"deploy a{number}" for number in range(10)]


async def test_a_second_answer_changes_nothing(ada: User, provider: OpenAIServer, trace: Path) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider, "a")
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        await talk.told(confirmed(question))
        await stream.until(ReplyEnd)
        await talk.idle()
        seen, before = len(stream.events), await talk.messages()

        again = [await talk.say(given(question), **ANEW) for given in (confirmed, refused) for _ in range(2)]
        late = [await by("approvals", talk, question, yes=yes) for yes in (True, False)]
        await talk.idle()
        assert await talk.messages() == before
        await talk.told("[[text=Next]]")
        await stream.until(ReplyEnd)

    assert {answer.status_code for answer in again} == {200}
    assert late == [409, 409]
    assert isinstance(stream.events[seen], ReplyStart)
    assert lines(trace) == ["deploy a"]
    assert [each["status"] for each in await approvals(talk)] == ["approved"]
    assert is_dense(stream.events)


async def test_of_answers_that_come_at_once_from_many_tabs_one_counts(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider, "a")
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        tabs = [(way, yes) for way in ("chat", "approvals") for yes in (True, False)] * 3
        answers = await asyncio.gather(*(by(way, talk, question, yes=yes, **ANEW) for way, yes in tabs))
        reply = await stream.reply()
    await talk.idle()

    (told,) = (event for event in stream.events if isinstance(event, UserConfirmResult))
    (result,) = (block for block in reply.content if isinstance(block, ToolResultBlock))
    yes = told.confirm_results[0].confirmed
    assert set(answers) <= {200, 409}
    assert (result.state, lines(trace)) == (("success", ["deploy a"]) if yes else ("denied", []))
    assert [each["status"] for each in await approvals(talk)] == ["approved" if yes else "denied"]
    assert (await talk.messages())[1:] == [reply]
    assert is_dense(stream.events)


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"reply_id": "r9"}, "input.reply_id"),
        ({"id": "c9"}, "input.confirm_results[0].tool_call.id"),
        ({"name": "once"}, "input.confirm_results[0].tool_call.name"),
        ({"rules": [rule(tool="once")]}, "input.confirm_results[0].rules[0].tool_name"),
        ({"rules": [rule(), rule(tool="Bash")]}, "input.confirm_results[0].rules[1].tool_name"),
    ],
)
async def test_an_answer_to_something_else_is_refused_and_the_question_stays(
    ada: User, provider: OpenAIServer, database: redis.Redis, changed: dict[str, Any], path: str
) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider, "a")
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        before = traces(database)

        answer = await talk.say(confirmed(question, **changed))
        assert (answer.status_code, [each["path"] for each in answer.json()["errors"]]) == (422, [path])
        assert traces(database) == before
        await talk.told(confirmed(question))
        reply = await stream.reply()

    result = reply.content[-2]
    assert isinstance(result, ToolResultBlock)
    assert (result.state, reply.finished_reason) == ("success", "completed")


async def test_two_sessions_whose_model_gives_their_calls_the_same_id_are_told_apart(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    other = await ada.session(talk.agent_id, await ada.credential(provider.url))
    questions = []
    for each in (talk, other):
        provider.script(Calls([Call("deploy", {"mark": each.session_id}, id="call_0")]))
        async with each.stream() as stream:
            await each.told("go")
            questions.append(await asked(stream, each))

    found = [await approvals(each, "pending") for each in (talk, other)]
    assert [[one["session_id"] for one in each] for each in found] == [[talk.session_id], [other.session_id]]
    for each, question in zip((talk, other), questions, strict=True):
        provider.script(*words("All done"))
        assert await by("approvals", each, question, yes=True) == 200
        await each.idle()
    assert lines(trace) == [f"deploy {each.session_id}" for each in (talk, other)]
