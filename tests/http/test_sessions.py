"""Sessions over HTTP."""

import re
from typing import Any

import httpx
import pytest

from tests.http.conftest import DEMO, said


async def test_every_call_makes_another_session_with_a_name(client: httpx.AsyncClient, agent: str):
    made = [(await client.post("/sessions/", json={"agent_id": agent})).json()["session_id"] for _ in range(2)]

    page = (await client.get("/sessions/", params={"agent_id": agent})).json()

    assert [each["session"]["id"] for each in page["sessions"]] == made[::-1]
    assert page["total"] == 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", page["sessions"][0]["session"]["config"]["name"])
    assert page["sessions"][0]["status"] == "idle"
    assert page["sessions"][0]["is_running"] is False


@pytest.mark.parametrize(
    "body",
    [
        {"agent_id": "nobody"},
        {"chat_model_config": {"type": "openai_credential", "credential_id": "none", "model": "gpt"}},
        {"knowledge_config": {"knowledge_base_ids": ["none"]}},
    ],
)
async def test_what_a_session_names_must_be_there(client: httpx.AsyncClient, agent: str, body: dict[str, object]):
    answer = await client.post("/sessions/", json={"agent_id": agent} | body)

    assert answer.status_code == 404
    assert (await client.get("/sessions/", params={"agent_id": agent})).json()["total"] == 0


async def test_a_model_must_be_of_the_type_of_its_credential(client: httpx.AsyncClient, agent: str):
    data = {"type": "openai_credential", "api_key": "sk-4711-4711"}
    credential = (await client.post("/credential/", json={"data": data})).json()["credential_id"]
    config = {"type": "demo_credential", "credential_id": credential, "model": "demo"}

    answer = await client.post("/sessions/", json={"agent_id": agent, "chat_model_config": config})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "chat_model_config.type"


async def test_parameters_that_the_model_does_not_take_are_refused(client: httpx.AsyncClient, agent: str):
    data = {"type": "openai_credential", "api_key": "sk-4711-4711"}
    credential = (await client.post("/credential/", json={"data": data})).json()["credential_id"]
    config = {"type": "openai_credential", "credential_id": credential, "model": "gpt-4.1-mini"}

    answer = await client.post(
        "/sessions/",
        json={"agent_id": agent, "fallback_chat_model_config": {**config, "parameters": {"temperature": "hot"}}},
    )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "fallback_chat_model_config.parameters.temperature"


async def test_omitted_stays_and_null_clears(client: httpx.AsyncClient, agent: str, session: str):
    at: dict[str, Any] = {"params": {"agent_id": agent}}
    await client.patch(f"/sessions/{session}", json={"cwd": "/srv", "name": "Roots"}, **at)

    kept = (await client.patch(f"/sessions/{session}", json={"permission_mode": "explore"}, **at)).json()
    cleared = (await client.patch(f"/sessions/{session}", json={"cwd": None, "chat_model_config": None}, **at)).json()

    assert kept["config"]["cwd"] == "/srv"
    assert kept["config"]["chat_model_config"]["model"] == DEMO["model"]
    assert kept["permission_mode"] == kept["state"]["permission_context"]["mode"] == "explore"
    assert cleared["config"]["cwd"] is None
    assert cleared["config"]["chat_model_config"] is None
    assert cleared["config"]["name"] == "Roots"


async def test_a_name_cannot_be_cleared(client: httpx.AsyncClient, agent: str, session: str):
    answer = await client.patch(f"/sessions/{session}", params={"agent_id": agent}, json={"name": None})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "name"


async def test_a_running_session_cannot_be_changed(client: httpx.AsyncClient, agent: str, session: str, until):
    at: dict[str, Any] = {"params": {"agent_id": agent}}
    long = said("Tell me " + "more and " * 200)
    await client.post("/chat/", json={"agent_id": agent, "session_id": session, "input": long})

    answer = await client.patch(f"/sessions/{session}", json={"name": "Roots"}, **at)
    seen = (await client.get(f"/sessions/{session}", **at)).json()
    await client.post(f"/sessions/{session}/interrupt", **at)

    assert answer.status_code == 409
    assert answer.json()["code"] == "session_busy"
    assert seen["status"] == "running"
    await until(lambda: status_is(client, session, agent, "idle"), "the session is idle")


async def test_a_deleted_session_is_gone_everywhere(client: httpx.AsyncClient, agent: str, session: str):
    at: dict[str, Any] = {"params": {"agent_id": agent}}

    deleted = await client.delete(f"/sessions/{session}", **at)

    assert deleted.status_code == 204
    for path in ("", "/messages", "/status", "/stream"):
        assert (await client.get(f"/sessions/{session}{path}", **at)).status_code == 404
    assert (await client.delete(f"/sessions/{session}", **at)).status_code == 404
    assert (await client.post(f"/sessions/{session}/interrupt", **at)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/messages"),
        ("GET", "/status"),
        ("GET", "/stream"),
        ("POST", "/interrupt"),
    ],
)
async def test_a_session_belongs_to_its_agent(client: httpx.AsyncClient, agent: str, session: str, method, path):
    other = (await client.post("/agent/", json={"name": "Other"})).json()["agent_id"]

    answers = [
        await client.request(method, f"/sessions/{session}{path}", params={"agent_id": wrong}, json={})
        for wrong in (other, "../..", "")
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert (await client.get(f"/sessions/{session}", params={"agent_id": agent})).status_code == 200


async def test_messages_are_paged_backwards_once_each(client: httpx.AsyncClient, agent: str, session: str, until):
    at = {"agent_id": agent}
    sent = [f"message-{n}" for n in range(5)]
    for message in sent:
        await client.post("/chat/", json={**at, "session_id": session, "input": said(message, id=message)})
    await until(lambda: status_is(client, session, agent, "idle"), "all is answered", within=10)

    walked: list[str] = []
    before: dict[str, str] = {}
    while True:
        page = (await client.get(f"/sessions/{session}/messages", params={**at, "limit": 2, **before})).json()
        walked = [message["id"] for message in page["messages"]] + walked
        if not page["has_more"]:
            break
        before = {"before": page["next_cursor"]}

    assert len(walked) == len(set(walked)) > len(sent)
    assert [each for each in walked if each in sent] == sent
    assert page["next_cursor"] is None


async def test_the_limit_of_messages_has_bounds(client: httpx.AsyncClient, agent: str, session: str):
    path, at = f"/sessions/{session}/messages", {"agent_id": agent}

    answers = [await client.get(path, params={**at, "limit": limit}) for limit in (0, 1, 200, 201)]
    unknown = await client.get(path, params={**at, "before": "nobody"})

    assert [answer.status_code for answer in answers] == [422, 200, 200, 422]
    assert unknown.json() == {"messages": [], "is_running": False, "has_more": False, "next_cursor": None}


async def status_is(client: httpx.AsyncClient, session: str, agent: str, status: str) -> bool:
    answer = await client.get(f"/sessions/{session}/status", params={"agent_id": agent})
    return bool(answer.json()["status"] == status)
