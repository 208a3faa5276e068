"""A call that may not run unasked: the reply waits for a person, and goes on with what they say."""

import sys
from pathlib import Path

import pytest

from agentsvc.domain.events import (
    STATE_UPDATED,
    Custom,
    ReplyEnd,
    ReplyStart,
    RequireUserConfirm,
)
from agentsvc.domain.messages import ToolCallBlock, ToolResultBlock
from tests.fakes.openai_scripts import Call, Calls
from tests.fakes.openai_server import OpenAIServer, words
from tests.fakes.tools import lines
from tests.flows.readers import is_dense
from tests.questions import ASKING, approvals, ask, asked, by, confirmed, delivered, refused, rule, wanted
from tests.service import User, replies

pytestmark = pytest.mark.redis

PROGRAM = (sys.executable, "-m", "tests.flows.workshop")


async def test_a_call_that_needs_a_person_is_asked_about_and_the_reply_waits(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider, "a")
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)

    (call,) = question.tool_calls
    reason = question.metadata["reasons"][call.id]
    listed = (await ada.ask("GET", "/sessions/", params={"agent_id": talk.agent_id})).json()["sessions"][0]
    shown = (await ada.ask("GET", talk.path())).json()
    reply = (await talk.messages())[-1]
    (record,) = await approvals(talk, "pending")
    assert (call.name, call.input, call.state) == ("deploy", '{"mark": "a"}', "asking")
    assert [(each.tool_name, each.behavior) for each in call.suggested_rules] == [("deploy", "allow")]
    assert (reason["code"], reason["safety"]) == ("unknown_effect", False)
    assert (listed["status"], shown["status"], listed["is_running"]) == (ASKING, ASKING, False)
    assert not any(isinstance(event, ReplyEnd) for event in stream.events)
    assert replies(stream.events) == [reply]
    assert (reply.id, reply.finished_reason, reply.finished_at) == (question.reply_id, None, None)
    assert (record["id"], record["reply_id"], record["tool_call"]["input"]) == (call.id, reply.id, call.input)
    assert record["reason"] == reason
    assert lines(trace) == []
    assert len(provider.requests) == 1


@pytest.mark.parametrize("way", ["chat", "approvals"])
async def test_what_is_confirmed_runs_once_and_the_same_reply_goes_on(
    ada: User, provider: OpenAIServer, trace: Path, way: str
) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider, "a")
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)

        answer = await by(way, talk, question, yes=True)
        await stream.until(ReplyEnd)
    await talk.idle()

    (reply,) = replies(stream.events)
    result = reply.content[-2]
    assert answer == 200
    assert isinstance(result, ToolResultBlock)
    assert (result.state, lines(trace)) == ("success", ["deploy a"])
    assert (reply.id, reply.text()) == (question.reply_id, "Let me see. \nAll done")
    assert (await talk.messages())[1:] == [reply]
    assert sum(isinstance(event, ReplyStart) for event in stream.events) == 1
    assert is_dense(stream.events)
    assert provider.requests[1].body["messages"][-1]["content"] == "deployed a"
    assert [(each["status"], each["answered_by"]) for each in await approvals(talk)] == [("approved", "ada")]
    assert await approvals(talk, "pending") == []


@pytest.mark.parametrize("way", ["chat", "approvals"])
async def test_what_is_refused_does_not_run_and_the_model_hears_of_it(
    ada: User, provider: OpenAIServer, trace: Path, way: str
) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider, "a", said="A pity")
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        await by(way, talk, question, yes=False)
        reply = await stream.reply()
    await talk.idle()

    result = reply.content[-2]
    assert isinstance(result, ToolResultBlock)
    assert (result.state, lines(trace)) == ("denied", [])
    assert "refused" in provider.requests[1].body["messages"][-1]["content"]
    assert (reply.text(), reply.id) == ("Let me see. \nA pity", question.reply_id)
    assert (await talk.messages())[1:] == [reply]
    assert [each["status"] for each in await approvals(talk)] == ["denied"]


@pytest.mark.parametrize("way", ["chat", "approvals"])
async def test_arguments_that_a_person_has_edited_are_those_that_are_used(
    ada: User, provider: OpenAIServer, trace: Path, way: str
) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider, "a")
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        await by(way, talk, question, yes=True, input='{"mark": "b"}')
        reply = await stream.reply()
    await talk.idle()

    (call,) = (block for block in reply.content if isinstance(block, ToolCallBlock))
    heard = provider.requests[1].body["messages"]
    assert lines(trace) == ["deploy b"]
    assert call.input == '{"mark": "b"}'
    assert heard[-2]["tool_calls"][0]["function"]["arguments"] == '{"mark": "b"}'
    assert (await talk.messages())[-1] == reply


@pytest.mark.parametrize("edited", ["{", '{"mark": 1}', '{"other": "b"}', "[]", '"b"'])
async def test_edited_arguments_that_do_not_fit_the_tool_are_an_error_for_the_model(
    ada: User, provider: OpenAIServer, trace: Path, edited: str
) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider, "a")
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        await talk.told(confirmed(question, input=edited))
        reply = await stream.reply()
    await talk.idle()

    result = reply.content[-2]
    assert isinstance(result, ToolResultBlock)
    assert (result.state, lines(trace), reply.finished_reason) == ("error", [], "completed")


async def test_only_what_was_answered_goes_on_until_all_is(ada: User, provider: OpenAIServer, trace: Path) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Calls([Call("deploy", {"mark": "a"}), Call("camera", {"mark": "cat"})]))
    provider.script(Calls([Call("deploy", {"mark": "b"})]))
    provider.script(*words("All done"))
    async with talk.stream() as stream:
        await talk.told("go")
        first = await asked(stream, talk)
        await talk.told(refused(first))
        await talk.told(delivered(await wanted(stream, talk)))
        second = await asked(stream, talk)
        await talk.told(confirmed(second))
        reply = await stream.reply()
    await talk.idle()

    states = [block.state for block in reply.content if isinstance(block, ToolResultBlock)]
    assert states == ["denied", "success", "success"]
    assert lines(trace) == ["deploy b"]
    assert first.reply_id == second.reply_id == reply.id
    assert (await talk.messages())[1:] == [reply]


async def test_what_is_always_allowed_is_not_asked_again(ada: User, provider: OpenAIServer, trace: Path) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider, "a")
    ask(provider, "b")
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        await talk.told(confirmed(question, rules=[rule()]))
        await stream.reply()
        await talk.told("and again")
        reply = await stream.reply()
    await talk.idle()

    updates = [event for event in stream.events if isinstance(event, Custom) and event.name == STATE_UPDATED]
    assert (reply.finished_reason, lines(trace)) == ("completed", ["deploy a", "deploy b"])
    assert [each.value["permission_context"]["allow_rules"] for each in updates] == [{"deploy": [rule()]}]
    assert len(await approvals(talk)) == 1


async def test_what_is_allowed_in_one_session_is_asked_in_another(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    other = await ada.session(talk.agent_id, await ada.credential(provider.url))
    ask(provider, "a")
    ask(provider, "b")
    async with talk.stream() as stream, other.stream() as elsewhere:
        await talk.told("go")
        question = await asked(stream, talk)
        await talk.told(confirmed(question, rules=[rule()]))
        await stream.reply()
        await other.told("go")
        await asked(elsewhere, other)

    assert lines(trace) == ["deploy a"]


async def test_a_client_that_comes_while_the_reply_waits_sees_the_question(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    await talk.told("[[text=Earlier]]")
    await talk.idle()
    ask(provider, "a")
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        async with talk.stream() as late:
            shown = await late.until(RequireUserConfirm)
            await talk.told(confirmed(question))
            await late.reply()
        await stream.reply()

    assert late.events == stream.events
    assert shown == question
    assert isinstance(late.events[0], ReplyStart)
    assert shown.metadata["reasons"].keys() == {question.tool_calls[0].id}
