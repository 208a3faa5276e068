"""A call that the client carries out: the reply waits for the result."""

import sys
from typing import Any

import pytest
import redis

from agentsvc.domain.events import ReplyEnd, ReplyStart
from tests.fakes.openai_scripts import Call, Calls
from tests.fakes.openai_server import OpenAIServer, words
from tests.flows.readers import is_dense
from tests.flows.traces import traces
from tests.questions import WANTING, approvals, delivered, results, text_of, wanted
from tests.service import Conversation, User, replies

pytestmark = pytest.mark.redis

PROGRAM = (sys.executable, "-m", "tests.flows.workshop")


def shoot(provider: OpenAIServer, *subjects: str) -> None:
    provider.script(Calls([Call("camera", {"mark": subject}) for subject in subjects]))
    provider.script(*words("I see"))


async def send(way: str, talk: Conversation, call: Any, output: Any, state: str) -> int:
    """Deliver a result by a message to the session or by the record of the call: the status."""
    if way == "chat":
        return (await talk.say(delivered(call, output, state=state))).status_code
    path = f"/approvals/{call.tool_calls[0].id}/answer"
    return (await talk.user.ask("POST", path, {"output": output, "state": state})).status_code


@pytest.mark.parametrize("state", ["success", "error"])
@pytest.mark.parametrize("output", ["a cat", [{"type": "text", "text": "a cat"}]], ids=["text", "blocks"])
@pytest.mark.parametrize("way", ["chat", "approvals"])
async def test_a_result_that_the_client_delivers_is_the_result_of_the_call(
    ada: User, provider: OpenAIServer, way: str, output: Any, state: str
) -> None:
    talk = await ada.conversation(provider.url)
    shoot(provider, "cat")
    async with talk.stream() as stream:
        await talk.told("look")
        call = await wanted(stream, talk)
        (waiting,) = await approvals(talk, "pending")
        listed = (await ada.ask("GET", "/sessions/", params={"agent_id": talk.agent_id})).json()["sessions"][0]

        answer = await send(way, talk, call, output, state)
        reply = await stream.reply()
    await talk.idle()

    (result,) = results(reply)
    assert (answer, listed["status"]) == (200, WANTING)
    assert (waiting["kind"], waiting["tool_call"]["state"]) == ("external_execution", "submitted")
    assert (result.state, text_of(result)) == (state, "a cat")
    assert provider.requests[1].body["messages"][-1]["content"] == "a cat"
    assert (reply.id, reply.text()) == (call.reply_id, "I see")
    assert (await talk.messages())[1:] == [reply] == replies(stream.events)
    assert sum(isinstance(event, ReplyStart) for event in stream.events) == 1
    assert is_dense(stream.events)
    assert [(each["status"], each["answered_by"]) for each in await approvals(talk)] == [("executed", "ada")]


@pytest.mark.parametrize("state", ["denied", "interrupted", "running"])
async def test_every_state_that_a_client_reports_ends_the_call(ada: User, provider: OpenAIServer, state: str) -> None:
    talk = await ada.conversation(provider.url)
    shoot(provider, "cat")
    async with talk.stream() as stream:
        await talk.told("look")
        call = await wanted(stream, talk)
        await talk.told(delivered(call, "nothing", state=state))
        reply = await stream.reply()
    await talk.idle()

    (result,) = results(reply)
    assert result.state == ("success" if state == "running" else state)
    assert (await talk.messages())[-1] == reply


async def test_results_that_come_one_by_one_are_each_kept(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Calls([Call("camera", {"mark": "cat"}), Call("camera", {"mark": "dog"})]))
    provider.script(*words("I see"))
    async with talk.stream() as stream:
        await talk.told("look")
        first = await wanted(stream, talk)
        await talk.told(delivered(first, "a cat"))
        second = await wanted(stream, talk)
        await talk.told(delivered(second, "a dog"))
        reply = await stream.reply()
    await talk.idle()

    assert [text_of(result) for result in results(reply)] == ["a cat", "a dog"]
    assert {each["status"] for each in await approvals(talk)} == {"executed"}


async def test_a_result_that_comes_twice_counts_once(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    shoot(provider, "cat")
    async with talk.stream() as stream:
        await talk.told("look")
        call = await wanted(stream, talk)
        await talk.told(delivered(call, "a cat"))
        reply = await stream.reply()
        await talk.idle()

        again = await talk.say(delivered(call, "a dog"))
        late = await send("approvals", talk, call, "a dog", "success")
        await talk.told("[[text=Next]]")
        end = await stream.until(ReplyEnd)

    assert (again.status_code, late) == (200, 409)
    assert end.reply_id != reply.id
    assert (await talk.messages())[1] == reply
    assert text_of(results(reply)[0]) == "a cat"


@pytest.mark.parametrize(
    ("changed", "path"),
    [
        ({"reply_id": "r9"}, "input.reply_id"),
        ({"id": "c9"}, "input.execution_results[0].id"),
        ({"name": "deploy"}, "input.execution_results[0].name"),
        ({"output": [{"type": "text"}]}, "input.execution_results[0].output[0].text"),
        ({"state": "done"}, "input.execution_results[0].state"),
    ],
)
async def test_a_result_of_something_else_is_refused_and_the_call_still_waits(
    ada: User, provider: OpenAIServer, database: redis.Redis, changed: dict[str, Any], path: str
) -> None:
    talk = await ada.conversation(provider.url)
    shoot(provider, "cat")
    async with talk.stream() as stream:
        await talk.told("look")
        call = await wanted(stream, talk)
        before = traces(database)

        answer = await talk.say(delivered(call, **changed))
        assert answer.status_code == 422
        assert path in {each["path"] for each in answer.json()["errors"]}
        assert traces(database) == before
        await talk.told(delivered(call))
        reply = await stream.reply()

    assert results(reply)[0].state == "success"


async def test_a_large_result_is_shown_in_part(ada: User, provider: OpenAIServer) -> None:
    agent = await ada.agent(context_config={"tool_result_limit": 2_000})
    talk = await ada.session(agent, await ada.credential(provider.url))
    shoot(provider, "cat")
    async with talk.stream() as stream:
        await talk.told("look")
        call = await wanted(stream, talk)
        await talk.told(delivered(call, "miaow " * 200_000))
        reply = await stream.reply()
    await talk.idle()

    shown = text_of(results(reply)[0])
    assert shown.startswith("miaow miaow")
    assert len(shown) < 20_000
    assert len(str(provider.requests[1].body)) < 40_000
    assert (await talk.messages())[-1] == reply
