"""Approvals over HTTP: what waits, and the answer to it."""

from typing import Any

import httpx
import pytest

from agentsvc.domain.approvals import recorded
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.settings import Settings
from agentsvc.storage.store import RedisStorage
from tests.approvals import REPLY, answered, approval, ask, call_of

ADA = OwnerId("ada")
KEY = {"idempotency-key": "k"}
CALL = {"type": "tool_call", "name": "Bash", "input": "{}"}


@pytest.fixture
def redis(settings: Settings) -> str:
    assert settings.redis_url is not None
    return settings.redis_url


@pytest.fixture
async def asked(client: httpx.AsyncClient, redis: str, agent: str, session: str) -> str:
    """A session of Ada's waits for her word: the approval."""
    return await ask(redis, ADA, AgentId(agent), SessionId(session))


@pytest.fixture
async def wanted(client: httpx.AsyncClient, redis: str, agent: str, session: str) -> str:
    """A session of Ada's waits for a result."""
    return await ask(redis, ADA, AgentId(agent), SessionId(session), kind="external_execution", tool_name="Camera")


async def over(redis: str, agent: str, session: str, call_id: str) -> None:
    question = answered(approval(call_id), "denied", "bob")
    record = recorded(ADA, AgentId(agent), SessionId(session), question, call_of(question))
    async with RedisStorage(redis) as storage:
        await storage.of(ADA).approvals.project(SessionId(session), [record])


@pytest.mark.parametrize("path", ["/approvals", "/approvals/"])
async def test_what_waits_is_listed_with_its_call(client: httpx.AsyncClient, path: str, session: str, asked: str):
    page = (await client.get(path)).json()

    (found,) = page["approvals"]
    assert (page["total"], page["next_cursor"]) == (1, None)
    assert (found["id"], found["session_id"], found["reply_id"], found["status"]) == (asked, session, REPLY, "pending")
    assert (found["tool_call"]["name"], found["tool_call"]["input"]) == ("Bash", '{"command":"make"}')
    assert (await client.get(f"/approvals/{asked}")).json() == found


async def test_what_was_answered_is_listed_when_asked_for(
    client: httpx.AsyncClient, redis: str, agent: str, session: str, asked: str
):
    await over(redis, agent, session, "old")

    queries: list[dict[str, Any]] = [{}, {"status": "all", "session_id": session}, {"status": "all", "limit": 1}]
    pages = [(await client.get("/approvals/", params=query)).json() for query in queries]
    rest = await client.get("/approvals/", params={"status": "all", "limit": 1, "cursor": pages[2]["next_cursor"]})
    unknown = await client.get("/approvals/", params={"status": "old"})

    assert [[each["id"] for each in page["approvals"]] for page in pages] == [[asked], ["old", asked], ["old"]]
    assert [each["id"] for each in rest.json()["approvals"]] == [asked]
    assert unknown.status_code == 422
    assert unknown.json()["errors"][0]["path"] == "status"


@pytest.mark.parametrize("path", ["/answer", "/answer/"])
async def test_an_answer_is_accepted_as_one_to_the_chat(client: httpx.AsyncClient, path: str, session: str, asked: str):
    rule = {"tool_name": "Bash", "rule_content": "make:*", "behavior": "allow", "source": "user"}
    body = {"confirmed": True, "input": '{"command":"make all"}', "rules": [rule]}

    answer = await client.post(f"/approvals/{asked}{path}", json=body)

    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "started"
    assert answer.json()["session_id"] == session


async def test_a_result_is_accepted(client: httpx.AsyncClient, wanted: str):
    body = {"output": [{"type": "text", "text": "a cat"}], "state": "success"}

    answer = await client.post(f"/approvals/{wanted}/answer", json=body)

    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "confirmed"),
        ({"confirmed": "yes"}, "confirmed"),
        ({"output": "done"}, "confirmed"),
        ({"confirmed": True, "sure": True}, "sure"),
        (
            {"confirmed": True, "rules": [{"tool_name": "Bash", "rule_content": None, "behavior": "allow"}] * 501},
            "rules",
        ),
        (
            {
                "confirmed": True,
                "rules": [{"tool_name": "Read", "rule_content": None, "behavior": "allow", "source": "u"}],
            },
            "rules[0].tool_name",
        ),
    ],
)
async def test_what_is_wrong_with_an_answer_is_named(client: httpx.AsyncClient, asked: str, body: Any, path: str):
    answer = await client.post(f"/approvals/{asked}/answer", json=body)

    assert answer.status_code == 422
    assert [each["path"] for each in answer.json()["errors"]] == [path]


async def test_who_comes_too_late_is_told_who_was_faster(
    client: httpx.AsyncClient, redis: str, agent: str, session: str, asked: str
):
    await over(redis, agent, session, "old")

    answer = await client.post("/approvals/old/answer", json={"confirmed": True})

    assert answer.status_code == 409
    assert answer.json()["code"] == "already_answered"
    assert "denied by 'bob' at " in answer.json()["detail"]


async def test_an_answer_takes_a_key(client: httpx.AsyncClient, asked: str):
    path = f"/approvals/{asked}/answer"

    first, second = [await client.post(path, json={"confirmed": True}, headers=KEY) for _ in range(2)]
    other = await client.post(path, json={"confirmed": False}, headers=KEY)

    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert other.status_code == 422


async def test_what_is_somebody_elses_or_not_there_is_not_found(client: httpx.AsyncClient, session: str, asked: str):
    mallory = {"x-user-id": "mallory"}

    answers = [
        await client.get(f"/approvals/{asked}", headers=mallory),
        await client.post(f"/approvals/{asked}/answer", json={"confirmed": True}, headers=mallory),
        await client.get("/approvals/", params={"session_id": session}, headers=mallory),
        await client.get("/approvals/none"),
        await client.post("/approvals/none/answer", json={"confirmed": True}),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5
    assert (await client.get("/approvals/", headers=mallory)).json()["approvals"] == []


async def test_approvals_go_with_their_session(client: httpx.AsyncClient, agent: str, session: str, asked: str):
    await client.delete(f"/sessions/{session}", params={"agent_id": agent})

    assert (await client.get(f"/approvals/{asked}")).status_code == 404
    assert (await client.get("/approvals/", params={"status": "all"})).json()["total"] == 0


@pytest.mark.parametrize(
    ("event", "path"),
    [
        ({"reply_id": "r9"}, "input.reply_id"),
        ({"id": "c9"}, "input.confirm_results[0].tool_call.id"),
        ({"name": "Read"}, "input.confirm_results[0].tool_call.name"),
        ({"times": 2}, "input.confirm_results[1].tool_call.id"),
        ({"times": 0}, "input.confirm_results"),
        ({}, None),
    ],
)
async def test_an_answer_by_chat_is_bound_to_what_was_asked(
    client: httpx.AsyncClient, agent: str, asked: str, event: Any, path: str | None
):
    session = (await client.get(f"/approvals/{asked}")).json()["session_id"]
    call = {**CALL, "id": event.get("id", asked), "name": event.get("name", "Bash")}
    results = [{"confirmed": True, "tool_call": call}] * event.get("times", 1)
    sent = {"type": "USER_CONFIRM_RESULT", "reply_id": event.get("reply_id", REPLY), "confirm_results": results}

    answer = await client.post("/chat/", json={"agent_id": agent, "session_id": session, "input": sent})

    assert answer.status_code == (422 if path else 200), answer.text
    assert [each["path"] for each in answer.json().get("errors", [])] == ([path] if path else [])


async def test_an_answer_by_chat_where_nothing_was_asked_is_a_conflict(
    client: httpx.AsyncClient, agent: str, session: str
):
    results = [{"confirmed": True, "tool_call": {**CALL, "id": "c1"}}]
    sent = {"type": "USER_CONFIRM_RESULT", "reply_id": REPLY, "confirm_results": results}

    answer = await client.post("/chat/", json={"agent_id": agent, "session_id": session, "input": sent})

    assert answer.status_code == 409
    assert answer.json()["errors"][0]["path"] == "input.reply_id"
