"""What becomes of a question when something else goes away that it belongs to."""

import sys
from pathlib import Path
from typing import Any

import pytest
import redis

from agentsvc.domain.events import ReplyEnd
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Call, Calls
from tests.fakes.openai_server import OpenAIServer, words
from tests.fakes.tools import lines
from tests.flows.rooms import changed, script
from tests.flows.traces import traces_of
from tests.questions import approvals, asked, confirmed, delivered, results, text_of, wanted
from tests.service import User, message

pytestmark = pytest.mark.redis

PROGRAM = (sys.executable, "-m", "tests.flows.workshop")


async def test_the_questions_of_a_session_go_with_it(
    ada: User, provider: OpenAIServer, trace: Path, database: redis.Redis
) -> None:
    agent = await ada.agent(approval_config={"expires_after": 1.0, "default_answer": "approve"})
    credential = await ada.credential(provider.url)
    for whole in (False, True):
        talk = await ada.session(agent, credential)
        provider.script(Calls([Call("deploy", {"mark": "a"})]))
        async with talk.stream() as stream:
            await talk.told("go")
            question = await asked(stream, talk)
            gone = await ada.ask("DELETE", f"/agent/{agent}" if whole else talk.path())
            await stream.rest()

        late = await talk.say(confirmed(question))
        record = f"/approvals/{question.tool_calls[0].id}"
        missed = await ada.ask("POST", f"{record}/answer", {"confirmed": True})
        listed = (await ada.ask("GET", "/approvals/", params={"status": "all"})).json()["approvals"]

        assert gone.status_code == 204
        assert (late.status_code, missed.status_code) == (404, 404)
        assert talk.session_id not in {each["session_id"] for each in listed}
        await wait_until(lambda: not traces_of(database, talk.session_id), "nothing is left of it")  # noqa: B023
        await wait_until(lambda: not _expiring(database, talk.session_id), "nothing expires any more")  # noqa: B023
    assert lines(trace) == []


async def test_an_answer_when_the_model_is_gone_counts_and_the_session_goes_on(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Calls([Call("deploy", {"mark": "a"})]))
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        await changed(talk, chat_model_config=None)
        await talk.told(confirmed(question))
        reply = await stream.reply()
        await talk.idle()
        shown = (await ada.ask("GET", talk.path())).json()["session"]["config"]["chat_model_config"]
        credential = await ada.credential(provider.url)
        config = {"type": "openai_credential", "credential_id": credential, "model": "scripted", "parameters": {}}
        await changed(talk, chat_model_config=config)
        await talk.told("[[text=Again]]")
        again = await stream.reply()

    assert (shown, reply.finished_reason, reply.id) == (None, "error", question.reply_id)
    assert reply.error is not None
    assert reply.error.type == "setup"
    assert [each.state for each in results(reply)] == ["error"]
    assert (again.finished_reason, again.text()) == ("completed", "Again")
    assert [each["status"] for each in await approvals(talk)] == ["approved"]
    assert lines(trace) == []


async def test_what_is_said_while_a_result_is_awaited_is_answered_after_it(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    script(provider, Call("camera", {"mark": "cat"}))
    async with talk.stream() as stream:
        await talk.told("look")
        call = await wanted(stream, talk)
        await talk.told(message("one", id="m1"))
        await talk.told(message("[[text=Heard]]", id="m2"))
        await talk.told(delivered(call))
        reply, heard = await stream.reply(), await stream.reply()
    await talk.idle()

    said = [each.text() for each in await talk.messages()]
    assert (reply.id, text_of(results(reply)[0]), heard.text()) == (call.reply_id, "a cat", "Heard")
    assert said == ["look", "All done", "one", "[[text=Heard]]", "Heard"]


async def test_a_reply_that_waits_for_a_result_is_stopped(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Calls([Call("camera", {"mark": "cat"})]))
    async with talk.stream() as stream:
        await talk.told("look")
        call = await wanted(stream, talk)
        await talk.interrupt()
        reply = await stream.reply()
        await talk.idle()
        late = await talk.say(delivered(call))
        await talk.idle()
        provider.script(*words("Here I am"))
        await talk.told("hi")
        await stream.reply()

    assert (reply.finished_reason, [each.state for each in results(reply)]) == ("interrupted", ["interrupted"])
    assert late.status_code == 200
    assert sum(isinstance(event, ReplyEnd) for event in stream.events) == 2
    assert [each["status"] for each in await approvals(talk)] == ["withdrawn"]


async def test_what_was_said_is_heard_when_a_question_expires(ada: User, provider: OpenAIServer, trace: Path) -> None:
    agent = await ada.agent(approval_config={"expires_after": 1.0})
    talk = await ada.session(agent, await ada.credential(provider.url))
    script(provider, Call("deploy", {"mark": "a"}))
    async with talk.stream() as stream:
        await talk.told("go")
        await asked(stream, talk)
        await talk.told("[[text=Heard]]")
        reply, heard = await stream.reply(), await stream.reply()
    await talk.idle()

    assert [each.state for each in results(reply)] == ["denied"]
    assert (reply.text(), heard.text(), lines(trace)) == ("All done", "Heard", [])


def _expiring(database: redis.Redis, session_id: str) -> list[bytes]:
    found: list[bytes] = []
    for key in database.scan_iter("*"):
        members: Any = database.zrange(key, 0, -1) if database.type(key) == b"zset" else []
        found += [member for member in members if session_id.encode() in member]
    return found
