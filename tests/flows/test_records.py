"""Credentials, agents and sessions from their making to their end."""

import re

import pytest
import redis

from agentsvc.domain.events import TextBlockDelta
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Fail, Hang, Text
from tests.fakes.openai_server import OpenAIServer
from tests.flows.traces import traces_of
from tests.service import Conversation, Service, User

pytestmark = pytest.mark.redis

SECRET = "sk-canary-4711-4711"


async def test_a_credential_lives_without_ever_showing_its_secret(ada: User) -> None:
    made = await ada.ask("POST", "/credential/", {"data": {"type": "openai_credential", "api_key": SECRET}})
    path = f"/credential/{made.json()['credential_id']}"

    shown, listed = await ada.ask("GET", path), await ada.ask("GET", "/credential/")
    change = {"type": "openai_credential", "name": "Mine", "api_key": SECRET + "-2"}
    changed = await ada.ask("PATCH", path, {"data": change})
    again = await ada.ask("GET", path)
    removed = await ada.ask("DELETE", path)
    gone = [await ada.ask("GET", path), await ada.ask("DELETE", path)]

    assert [each.status_code for each in (made, shown, listed, changed, again, removed)] == [
        201,
        200,
        200,
        200,
        200,
        204,
    ]
    assert [each.status_code for each in gone] == [404, 404]
    data = listed.json()["credentials"][0]["data"]
    assert (data["type"], data["name"]) == ("openai_credential", shown.json()["data"]["name"])
    assert again.json()["data"]["name"] == "Mine"
    assert not [each.text for each in (made, shown, listed, changed, again) if SECRET in each.text]


@pytest.mark.parametrize("kind", ["no_credential", 7, None])
async def test_a_credential_of_an_unknown_type_is_refused_without_its_secret(ada: User, kind: object) -> None:
    answer = await ada.ask("POST", "/credential/", {"data": {"type": kind, "api_key": SECRET}})

    assert answer.status_code == 422
    assert SECRET not in answer.text


async def test_the_secret_of_a_credential_is_nowhere_in_redis_or_the_log(
    ada: User, provider: OpenAIServer, database: redis.Redis, service: Service
) -> None:
    talk = await ada.session(await ada.agent(), await ada.credential(provider.url, SECRET))
    provider.script(Fail(401, message=f"no such key: {SECRET}"))
    async with talk.stream() as stream:
        await talk.told("hi")
        await stream.reply()

    assert provider.requests[0].headers["authorization"] == f"Bearer {SECRET}"
    assert not [key for key in database.scan_iter() if SECRET.encode() in (database.dump(key) or b"")]
    assert SECRET not in service.said()


async def test_an_agent_has_defaults_and_keeps_what_a_change_does_not_name(ada: User) -> None:
    agent_id = await ada.agent()
    path = f"/agent/{agent_id}"

    fresh = (await ada.ask("GET", path)).json()["data"]
    changed = (await ada.ask("PATCH", path, {"name": "Eve", "system_prompt": None})).json()["data"]

    assert fresh["system_prompt"] == "You're a helpful assistant."
    assert fresh["react_config"]["max_iters"] == 50
    assert fresh["context_config"]["trigger_ratio"] == 0.8
    assert changed == {**fresh, "name": "Eve"}


@pytest.mark.parametrize("described", [{}, {"invite_description": None}, {"invite_description": " "}])
async def test_an_agent_that_can_be_invited_says_what_for(ada: User, described: dict[str, object]) -> None:
    answer = await ada.ask("POST", "/agent/", {"name": "Bob", "invite_config": {"invitable": True, **described}})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"].startswith("invite_config")


async def test_a_session_needs_what_it_names(ada: User) -> None:
    agent_id = await ada.agent()
    model = {"type": "openai_credential", "credential_id": "none", "model": "gpt"}

    answers = [
        await ada.ask("POST", "/sessions/", body)
        for body in (
            {"agent_id": "nobody"},
            {"agent_id": agent_id, "chat_model_config": model},
            {"agent_id": agent_id, "fallback_chat_model_config": model},
            {"agent_id": agent_id, "knowledge_config": {"knowledge_base_ids": ["none"]}},
        )
    ]
    listed = (await ada.ask("GET", "/sessions/", params={"agent_id": agent_id})).json()

    assert [answer.status_code for answer in answers] == [404] * 4
    assert listed["sessions"] == []


async def test_a_session_changes_only_in_what_is_sent_and_not_while_it_runs(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    config = (await ada.ask("GET", talk.path())).json()["session"]["config"]
    model = config["chat_model_config"]

    named = await ada.ask("PATCH", talk.path(), {"name": "Roots", "cwd": "/srv", "fallback_chat_model_config": model})
    cleared = await ada.ask("PATCH", talk.path(), {"cwd": None, "fallback_chat_model_config": None})
    nameless = await ada.ask("PATCH", talk.path(), {"name": None})
    provider.script(Hang())
    await talk.told("hi")
    await wait_until(lambda: provider.requests, "the agent is at work")
    busy = await ada.ask("PATCH", talk.path(), {"name": "Too late"})
    await talk.interrupt()
    await talk.idle()
    late = await ada.ask("PATCH", talk.path(), {"name": "In time"})

    assert named.json()["config"] == {**config, "name": "Roots", "cwd": "/srv", "fallback_chat_model_config": model}
    assert cleared.json()["config"] == {**config, "name": "Roots"}
    assert (nameless.status_code, busy.status_code, late.status_code) == (422, 409, 200)
    assert busy.json()["code"] == "session_busy"


async def test_sessions_are_listed_newest_first_with_what_they_do_but_not_what_was_said(
    ada: User, provider: OpenAIServer
) -> None:
    agent_id, credential = await ada.agent(), await ada.credential(provider.url)
    talks = [await ada.session(agent_id, credential) for _ in range(3)]
    provider.script(Text("A secret word"), Hang())
    async with talks[1].stream() as stream:
        await talks[1].told("Say a secret word")
        await stream.until(TextBlockDelta)

    listed = await ada.ask("GET", "/sessions/", params={"agent_id": agent_id})
    await talks[1].interrupt()
    await talks[1].idle()

    views = listed.json()["sessions"]
    assert [view["session"]["id"] for view in views] == [talk.session_id for talk in reversed(talks)]
    assert [view["status"] for view in views] == ["idle", "running", "idle"]
    assert [view["session"]["state"]["context"] for view in views] == [[], [], []]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", views[0]["session"]["config"]["name"])
    assert "secret word" not in listed.text


async def test_the_transcript_is_read_page_by_page_without_gap_or_double(ada: User, provider: OpenAIServer) -> None:
    talk = await ada.conversation(provider.url)
    async with talk.stream() as stream:
        for number in range(4):
            await talk.told(f"question {number}")
            await stream.reply()
    await talk.idle()
    whole = await talk.messages()

    pages = [await talk.messages(limit=3)]
    while len(pages[-1]) == 3:
        pages.append(await talk.messages(limit=3, before=pages[-1][0].id))
    unknown = await ada.ask("GET", talk.path("/messages") + "&before=nothing")
    refused = [(await ada.ask("GET", talk.path("/messages") + f"&limit={limit}")).status_code for limit in LIMITS]

    assert [message.role for message in whole] == ["user", "assistant"] * 4
    assert [message.id for page in reversed(pages) for message in page] == [message.id for message in whole]
    assert [len(page) for page in pages] == [3, 3, 2]
    assert (unknown.json()["messages"], unknown.json()["has_more"]) == ([], False)
    assert refused == [422, 422, 422, 200, 200]


LIMITS = ("0", "201", "many", "1", "200")


async def test_a_deleted_session_takes_its_run_its_streams_and_its_messages_with_it(
    ada: User, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk = await ada.conversation(provider.url)
    await at_work(talk, provider)
    async with talk.stream() as stream:
        await stream.until(TextBlockDelta)

        removed = await ada.ask("DELETE", talk.path())
        last = await stream.rest()

    await wait_until(lambda: provider.requests[0].gone, "the run has stopped")
    answers = [await ada.ask("GET", talk.path(rest)) for rest in ("", "/messages", "/status", "/stream")]
    assert removed.status_code == 204
    assert last == []
    assert [answer.status_code for answer in answers] == [404] * 4
    assert (await talk.say("hi")).status_code == 404
    assert traces_of(database, talk.session_id) == []


async def test_a_deleted_agent_takes_its_sessions_with_it(
    ada: User, provider: OpenAIServer, database: redis.Redis
) -> None:
    agent_id, credential = await ada.agent(), await ada.credential(provider.url)
    talks = [await ada.session(agent_id, credential) for _ in range(3)]
    await at_work(talks[1], provider)
    async with talks[1].stream() as stream:
        await stream.until(TextBlockDelta)

        removed = await ada.ask("DELETE", f"/agent/{agent_id}")
        await stream.rest()

    await wait_until(lambda: provider.requests[0].gone, "the run has stopped")
    answers = [await ada.ask("GET", talk.path()) for talk in talks]
    assert removed.status_code == 204
    assert [answer.status_code for answer in answers] == [404] * 3
    assert (await ada.ask("GET", f"/agent/{agent_id}")).status_code == 404
    assert [traces_of(database, name) for name in (agent_id, *(talk.session_id for talk in talks))] == [[]] * 4


async def at_work(talk: Conversation, provider: OpenAIServer) -> None:
    """The agent has begun to speak and does not come to an end."""
    provider.script(Text("Well, "), Hang())
    await talk.told("hi")
    await wait_until(lambda: provider.requests, "the agent is at work")
