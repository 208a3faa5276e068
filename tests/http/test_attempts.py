"""A request that is sent again with its key makes nothing twice, also when its answer was lost with the process."""

from typing import Any

import httpx
import pytest

from agentsvc.storage.idempotency import Answer, Claim, IdempotencyKeys
from tests.conftest import Until
from tests.http.conftest import said

KEY = {"idempotency-key": "k"}
CREDENTIAL = {"data": {"type": "openai_credential", "api_key": "sk-of-ada"}}


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the process had died after each request, before it could keep its answer, and its claim had run out."""

    async def lose(self: IdempotencyKeys, claim: Claim, _: Answer) -> None:
        await self.free(claim)

    monkeypatch.setattr(IdempotencyKeys, "keep", lose)


async def twice(client: httpx.AsyncClient, path: str, body: Any) -> list[Any]:
    """Both answers."""
    answers = [await client.post(path, json=body, headers=KEY) for _ in range(2)]
    assert all(answer.is_success for answer in answers)
    return [answer.json() for answer in answers]


@pytest.mark.usefixtures("killed")
async def test_one_agent_is_made(client: httpx.AsyncClient):
    first, second = await twice(client, "/agent/", {"name": "Ada"})

    assert first == second
    assert (await client.get("/agent/")).json()["total"] == 1


@pytest.mark.usefixtures("killed")
async def test_one_credential_is_made(client: httpx.AsyncClient):
    first, second = await twice(client, "/credential/", CREDENTIAL)

    assert first == second
    assert (await client.get("/credential/")).json()["total"] == 1


@pytest.mark.usefixtures("killed")
async def test_one_session_is_made(client: httpx.AsyncClient, agent: str):
    first, second = await twice(client, "/sessions/", {"agent_id": agent})

    assert first == second
    assert (await client.get("/sessions/", params={"agent_id": agent})).json()["total"] == 1


@pytest.mark.usefixtures("killed")
@pytest.mark.parametrize("messages", [said("Once"), [said("Once"), said("More")]], ids=["one", "several"])
async def test_a_message_without_an_id_is_one_message(
    client: httpx.AsyncClient, agent: str, session: str, messages: Any
):
    body = {"agent_id": agent, "session_id": session, "input": messages}

    first, second = await twice(client, "/chat/", body)
    kept = (await client.get(f"/sessions/{session}/messages", params={"agent_id": agent})).json()["messages"]

    assert first == second
    assert sum(each["role"] == "user" for each in kept) == (len(messages) if isinstance(messages, list) else 1)


@pytest.mark.usefixtures("killed")
async def test_a_turn_without_input_is_one_turn(client: httpx.AsyncClient, agent: str, session: str, until: Until):
    body = {"agent_id": agent, "session_id": session, "input": None}
    path = f"/sessions/{session}/messages"

    async def replied() -> bool:
        page = (await client.get(path, params={"agent_id": agent})).json()
        return bool(page["messages"]) and not page["is_running"]

    first = (await client.post("/chat/", json=body, headers=KEY)).json()
    await until(replied, "the turn has ended")
    second = (await client.post("/chat/", json=body, headers=KEY)).json()

    assert first == second


@pytest.mark.usefixtures("killed")
async def test_other_keys_make_other_things(client: httpx.AsyncClient):
    made = [
        (await client.post("/agent/", json={"name": "Ada"}, headers=headers)).json()["agent_id"]
        for headers in ({}, {}, KEY, {"idempotency-key": "other"}, KEY | {"x-user-id": "bea"})
    ]

    assert len(set(made)) == len(made)


async def test_an_interruption_takes_a_key(client: httpx.AsyncClient, agent: str, session: str):
    other = (await client.post("/sessions/", json={"agent_id": agent})).json()["session_id"]
    params = {"agent_id": agent}

    answers = [
        await client.post(f"/sessions/{each}/interrupt", params=params, headers=KEY)
        for each in (session, session, other)
    ]

    assert [answer.status_code for answer in answers] == [202, 202, 422]
    assert answers[0].json() == answers[1].json() == {"session_id": session}
    assert answers[2].json()["errors"][0]["path"] == "Idempotency-Key"
