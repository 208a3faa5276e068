"""Nobody gets in without a name, and nobody gets at what is somebody else's."""

import httpx
import pytest
from litestar import Litestar

from tests.http.conftest import client_of


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("x-user-id", "")],
        [("x-user-id", "x" * 257)],
        [("x-user-id", b"a\x01b")],
        [("x-user-id", b"\xff")],
        [("x-user-id", "ada"), ("x-user-id", "mallory")],
    ],
)
async def test_without_an_identity_no_route_of_an_owner_answers(app: Litestar, headers):
    async with client_of(app, None) as client:
        operations = owned(app.openapi_schema.to_schema())
        answers = [
            await client.request(method, path.replace("{", "").replace("}", ""), headers=headers, params=AGENT, json={})
            for method, path in operations
        ]

    assert len(operations) > 15
    assert {answer.status_code for answer in answers} == {401}


@pytest.mark.parametrize("user", ["ada", "team:ada", "{s:1}", "Ада", "x" * 256, "a b"])
async def test_a_user_is_called_what_it_likes(app: Litestar, user: str):
    async with client_of(app, None) as client:
        client.headers["x-user-id"] = user
        created = (await client.post("/agent/", json={"name": "Ada"})).json()["agent_id"]

        agent = (await client.get(f"/agent/{created}")).json()
        client.headers["x-user-id"] = "somebody"
        foreign = await client.get(f"/agent/{created}")

    assert agent["user_id"] == user
    assert foreign.status_code == 404


async def test_no_route_gives_or_takes_what_is_somebody_elses(
    app: Litestar, client: httpx.AsyncClient, agent: str, session: str
):
    data = {"type": "openai_credential", "api_key": "sk-4711-4711"}
    credential = (await client.post("/credential/", json={"data": data})).json()["credential_id"]
    ids = {"agent_id": agent, "session_id": session, "credential_id": credential}
    ids |= {"approval_id": "a1", "run_id": f"{session}.r1"}
    message = {"name": "u", "role": "user", "content": []}
    bodies = {
        "send_chat": {"agent_id": agent, "session_id": session, "input": message},
        "create_session": {"agent_id": agent},
        "update_credential": {"data": {"type": "openai_credential", "api_key": "x"}},
    }
    before = await seen(client, agent, session, credential)

    answers = {}
    async with client_of(app, "mallory") as mallory:
        for method, path in owned(app.openapi_schema.to_schema()):
            operation = app.openapi_schema.to_schema()["paths"][path][method.lower()]["operationId"]
            answers[operation] = await mallory.request(
                method, path.format(**ids), params={"agent_id": agent}, json=bodies.get(operation, {})
            )

    lists = {"list_agents", "list_approvals", "list_credentials"}
    creates = {"create_agent", "create_credential"}
    for operation, answer in answers.items():
        if operation in lists:
            assert answer.json()["total"] == 0, operation
        elif operation not in creates:
            assert answer.status_code == 404, operation
    assert await seen(client, agent, session, credential) == before


AGENT = {"agent_id": "x"}


def owned(document) -> list[tuple[str, str]]:
    """Method and path of every operation that needs a user."""
    return [
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation.get("security")
    ]


async def seen(client: httpx.AsyncClient, agent: str, session: str, credential: str) -> list[object]:
    return [
        (await client.get(f"/agent/{agent}")).json(),
        (await client.get(f"/sessions/{session}", params={"agent_id": agent})).json(),
        (await client.get(f"/sessions/{session}/messages", params={"agent_id": agent})).json(),
        (await client.get(f"/credential/{credential}")).json(),
    ]
