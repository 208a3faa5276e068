"""What is sent to a session is kept, or refused with a word on what is wrong."""

import httpx
import pytest

from tests.http.conftest import said


async def test_what_was_sent_is_in_the_transcript_at_once(client: httpx.AsyncClient, agent: str, session: str):
    body = {"agent_id": agent, "session_id": session, "input": said("Hello", id="m1")}

    answer = await client.post("/chat/", json=body)
    page = (await client.get(f"/sessions/{session}/messages", params={"agent_id": agent})).json()

    assert answer.status_code == 200
    assert answer.json()["status"] == "started"
    assert answer.json()["session_id"] == session
    assert answer.json()["run_id"]
    assert page["messages"][0]["id"] == "m1"


async def test_the_same_message_twice_is_one_message(client: httpx.AsyncClient, agent: str, session: str):
    body = {"agent_id": agent, "session_id": session, "input": said("Hello", id="m1")}

    answers = [await client.post("/chat/", json=body) for _ in range(2)]
    page = (await client.get(f"/sessions/{session}/messages", params={"agent_id": agent})).json()

    assert answers[0].json() == answers[1].json()
    assert [message["id"] for message in page["messages"]].count("m1") == 1


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"name": "u", "role": "user", "content": [{"type": "text", "text": 3}]}, "input.content[0].text"),
        ({"name": "u", "role": "user", "content": "Hello"}, "input.content"),
        ({"name": "u", "role": "system", "content": []}, "input.role"),
        ({"name": "u", "role": "user", "content": [{"type": "tool_call", "id": "c", "name": "x"}]}, "input.content[0]"),
        ([said("a"), said("b", name=4)], "input[1].name"),
        ([said("a", id="x"), said("b", id="x")], "input[1].id"),
        ({"type": "USER_INTERRUPT", "reply_id": "r"}, "input.type"),
        ({"type": "USER_CONFIRM_RESULT", "reply_id": "r"}, "input.confirm_results"),
        ("Hello", "input"),
    ],
)
async def test_what_is_wrong_with_the_input_is_named(
    client: httpx.AsyncClient, agent: str, session: str, value: object, path: str
):
    answer = await client.post("/chat/", json={"agent_id": agent, "session_id": session, "input": value})

    assert answer.status_code == 422
    assert [problem["path"] for problem in answer.json()["errors"]] == [path]
    assert (await client.get(f"/sessions/{session}/messages", params={"agent_id": agent})).json()["messages"] == []


async def test_the_input_must_be_there(client: httpx.AsyncClient, agent: str, session: str):
    answer = await client.post("/chat/", json={"agent_id": agent, "session_id": session})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"path": "input", "message": "required"}]


async def test_a_session_of_somebody_else_is_not_touched(client: httpx.AsyncClient, agent: str, session: str):
    body = {"agent_id": agent, "session_id": session, "input": said("Let me in")}

    answer = await client.post("/chat/", json=body, headers={"x-user-id": "mallory"})
    page = (await client.get(f"/sessions/{session}/messages", params={"agent_id": agent})).json()

    assert answer.status_code == 404
    assert page["messages"] == []
    assert page["is_running"] is False
