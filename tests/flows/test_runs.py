"""What clients see of a run, from the moment it is asked for until long after its end."""

import sys
from collections.abc import Mapping
from typing import Any

import pytest
import redis

from agentsvc.domain.events import ReplyEnd, TextBlockDelta
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Fail, Finish, Hang, Hold, Text, words
from tests.fakes.openai_server import OpenAIServer
from tests.flows.traces import traces_of
from tests.questions import ASKING, ask, asked, by, parked
from tests.service import Conversation, Service, User

PROGRAM = (sys.executable, "-m", "tests.flows.workshop")
ARGUMENTS = ("--max-runs", "1")

Run = dict[str, Any]


async def run_of(user: User, run_id: str) -> Run:
    answer = await user.ask("GET", f"/runs/{run_id}")
    assert answer.status_code == 200, answer.text
    found: Run = answer.json()
    return found


async def runs_of(talk: Conversation, **query: Any) -> Mapping[str, Any]:
    answer = await talk.user.ask("GET", f"/sessions/{talk.session_id}/runs", params=query)
    assert answer.status_code == 200, answer.text
    found: Mapping[str, Any] = answer.json()
    return found


async def until_is(user: User, run_id: str, status: str) -> Run:
    """The run, once it is so."""

    async def found() -> Run | None:
        run = await run_of(user, run_id)
        return run if run["status"] == status else None

    run: Run = await wait_until(found, f"the run is {status}", within=15)
    return run


async def test_a_run_waits_is_carried_out_and_ends(service: Service, ada: User, provider: OpenAIServer) -> None:
    """Every worker has room for one run, and is busy."""
    busy = [await ada.conversation(provider.url) for _ in range(service.workers)]
    for _ in busy:
        provider.script(Text("Busy"), Hold())
    held = [await talk.told("hi") for talk in busy]
    for run_id in held:
        await until_is(ada, run_id, "running")
    talk = await ada.conversation(provider.url)
    provider.script(*words("Here I am"), Hold(), Finish(usage=(120, 7, 0)))

    run_id = await talk.told("hi")
    queued = await run_of(ada, run_id)
    provider.release()
    running = await until_is(ada, run_id, "running")
    await wait_until(lambda: len(provider.requests) > len(held), "the model is asked", within=15)
    provider.release()
    completed = await until_is(ada, run_id, "completed")

    assert (queued["status"], queued["attempts"], queued["worker"]) == ("queued", 0, None)
    assert (queued["cause"], queued["session_id"], queued["agent_id"]) == ("chat", talk.session_id, talk.agent_id)
    assert (queued["started_at"], queued["ended_at"], queued["reply_id"]) == (None, None, None)
    assert (running["attempts"], running["created_at"], running["ended_at"]) == (1, queued["created_at"], None)
    assert running["worker"]
    assert completed["created_at"] <= completed["started_at"] <= completed["ended_at"]
    assert (completed["input_tokens"], completed["output_tokens"]) == (120, 7)
    assert (completed["worker"], completed["attempts"]) == (running["worker"], 1)
    assert (completed["reply_id"], completed["error"]) == ((await talk.messages())[-1].id, None)
    assert [(await until_is(ada, each, "completed"))["attempts"] for each in held] == [1] * len(held)


async def test_a_run_ends_when_its_reply_is_parked_and_that_of_the_answer_completes_it(
    ada: User, provider: OpenAIServer
) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider, "blue")
    async with talk.stream() as stream:
        first = await talk.told("Deploy it")
        question = await asked(stream, talk)
        waiting = await run_of(ada, first)

        assert await by("approvals", talk, question, yes=True) == 200
        await stream.until(ReplyEnd)
    await talk.idle()

    second, before = (await runs_of(talk))["runs"]
    assert (waiting["status"], waiting["reply_id"], waiting["error"]) == ("parked", question.reply_id, None)
    assert waiting["ended_at"] is not None
    assert before == waiting
    assert (second["cause"], second["status"], second["reply_id"]) == ("confirm", "completed", question.reply_id)
    assert second["id"] != first
    assert [run["input_tokens"] for run in (before, second)] == [10, 10]


async def test_a_run_that_is_stopped_is_interrupted(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Text("So far "), Hang())
    async with talk.stream() as stream:
        run_id = await talk.told("hi")
        await stream.until(TextBlockDelta)

        await talk.interrupt()
        reply = await stream.reply()
    await talk.idle()

    run = await run_of(ada, run_id)
    assert (run["status"], run["reply_id"], run["error"]) == ("interrupted", reply.id, None)


async def test_closing_a_reply_that_waits_is_a_run_of_its_own(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    ask(provider, "blue")
    first = await talk.told("Deploy it")
    await parked(talk, ASKING)

    await talk.interrupt()
    await talk.idle()

    closing, before = (await runs_of(talk))["runs"]
    assert (closing["cause"], closing["status"]) == ("interrupt", "interrupted")
    assert (before["id"], before["status"]) == (first, "parked")


async def test_a_run_whose_model_fails_says_why(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(Fail(401))

    run_id = await talk.told("hi")
    await talk.idle()

    run, reply = await run_of(ada, run_id), (await talk.messages())[-1]
    assert run["status"] == "error"
    assert run["error"]["type"] == "authentication"
    assert reply.error is not None
    assert run["error"]["message"] == reply.error.message


async def test_a_run_that_takes_too_long_exceeds_its_time(ada: User, provider: OpenAIServer) -> None:
    agent = await ada.agent(run_config={"time_limit": 1})
    talk = await ada.session(agent, await ada.credential(provider.url))
    provider.script(Text("So far "), Hang())
    async with talk.stream() as stream:
        run_id = await talk.told("hi")
        reply = await stream.reply()
        end = stream.events[-1]
    await talk.idle()

    run = await run_of(ada, run_id)
    assert isinstance(end, ReplyEnd)
    assert (reply.text(), reply.finished_reason) == ("So far ", "error")
    assert (run["status"], run["error"]["type"], run["reply_id"]) == ("exceeded", "time_limit", reply.id)
    assert reply.error is not None
    assert reply.error.type == "time_limit"
    await wait_until(lambda: provider.requests[-1].gone, "the model is asked no more")


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_the_runs_of_a_session_stand_in_the_order_in_which_they_were_asked_for(
    ada: User, provider: OpenAIServer, limit: int
) -> None:
    talk = await ada.conversation(provider.url)
    told: list[str] = []
    for _ in range(5):
        told.append(await talk.told("[[text=Yes]]"))
        await talk.idle()

    found: list[Run] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = await runs_of(talk, **query)
        found += page["runs"]
        assert page["total"] == 5
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert [run["id"] for run in found] == told[::-1]
    assert {run["status"] for run in found} == {"completed"}
    assert found == [await run_of(ada, run["id"]) for run in found]


async def test_what_is_said_to_an_agent_at_work_is_no_other_run(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    provider.script(*words("First "), Hold(), Finish(usage=(10, 5, 0)))
    provider.script(Text("Second"), Finish(usage=(20, 6, 0)))
    async with talk.stream() as stream:
        first = await talk.told("hi")
        await stream.until(TextBlockDelta)
        second = await talk.told("and then?")
        provider.release()
        replies = [await stream.reply() for _ in range(2)]
    await talk.idle()

    (run,) = (await runs_of(talk))["runs"]
    assert first == second == run["id"]
    assert (run["status"], run["reply_id"]) == ("completed", replies[1].id)
    assert (run["input_tokens"], run["output_tokens"]) == (30, 11)


async def test_the_runs_of_a_session_go_with_it(ada: User, provider: OpenAIServer, database: redis.Redis) -> None:
    talk = await ada.conversation(provider.url)
    ended = await talk.told("[[text=Yes]]")
    await talk.idle()
    provider.script(Text("So far "), Hang())
    going_on = await talk.told("hi")
    await until_is(ada, going_on, "running")
    await wait_until(lambda: len(provider.requests) == 2, "the model is asked")

    gone = await ada.ask("DELETE", talk.path())

    assert gone.status_code == 204
    for run_id in (ended, going_on):
        assert (await ada.ask("GET", f"/runs/{run_id}")).status_code == 404
    assert (await ada.ask("GET", f"/sessions/{talk.session_id}/runs")).status_code == 404
    await wait_until(lambda: provider.requests[-1].gone, "the run has stopped")
    assert [key for key in traces_of(database, talk.session_id) if b":run" in key] == []
