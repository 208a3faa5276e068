"""Credentials over HTTP: secrets go in and never come out."""

import httpx
import pytest

from tests.redis_kinds.clients import connected

CANARY = "sk-canary-4711-never-to-be-seen"


async def create(client: httpx.AsyncClient, **data: object) -> httpx.Response:
    return await client.post("/credential/", json={"data": {"type": "openai_credential", "api_key": CANARY, **data}})


async def test_a_secret_goes_in_and_never_comes_out(client: httpx.AsyncClient, redis_url: str, caplog):
    created = (await create(client)).json()["credential_id"]

    shown = [
        await client.get("/credential/"),
        await client.get(f"/credential/{created}"),
        await client.patch(f"/credential/{created}", json={"data": {"type": "openai_credential", "api_key": CANARY}}),
        await create(client, nonsense=CANARY),
        await create(client, base_url=f"ftp://{CANARY}"),
    ]

    assert all(CANARY not in answer.text for answer in shown)
    assert shown[1].json()["data"]["api_key"] == "**********"
    assert CANARY not in caplog.text
    with connected(redis_url) as stored:
        kept = [stored.get(key) for key in stored.scan_iter(_type="string")]
    assert kept
    assert CANARY not in str(kept)


async def test_credentials_without_a_name_are_numbered(client: httpx.AsyncClient):
    for _ in range(3):
        await create(client)

    found = (await client.get("/credential/")).json()["credentials"]

    assert [each["data"]["name"] for each in found] == ["OpenAI (3)", "OpenAI (2)", "OpenAI"]


@pytest.mark.parametrize(
    "data", [{"type": "openai_credential", "api_key": "**********"}, {"type": "openai_credential"}]
)
async def test_a_masked_or_missing_secret_stays(app, client: httpx.AsyncClient, data: dict[str, str]):
    created = (await create(client, name="Mine", base_url="https://a.example")).json()["credential_id"]

    changed = await client.patch(f"/credential/{created}", json={"data": {**data, "name": "Ours"}})

    assert changed.status_code == 200
    assert changed.json()["data"]["name"] == "Ours"
    assert changed.json()["data"]["base_url"] is None
    assert changed.json()["data"]["api_key"] == "**********"
    assert await secrets(app, created) == {"api_key": CANARY}


async def test_a_new_secret_takes_the_place_of_the_old_one(app, client: httpx.AsyncClient):
    created = (await create(client)).json()["credential_id"]

    await client.patch(
        f"/credential/{created}", json={"data": {"type": "openai_credential", "api_key": "sk-a-new-one-4712"}}
    )

    assert await secrets(app, created) == {"api_key": "sk-a-new-one-4712"}


async def test_a_change_of_provider_keeps_no_secret(client: httpx.AsyncClient):
    created = (await create(client, name="Mine")).json()["credential_id"]

    changed = await client.patch(f"/credential/{created}", json={"data": {"type": "demo_credential"}})

    assert changed.json()["data"] == {"id": created, "type": "demo_credential", "name": "Mine"}


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"type": "nobody_knows", "api_key": CANARY}, "data.type"),
        ({"api_key": CANARY}, "data.type"),
        ({"type": ["openai_credential"]}, "data.type"),
        ({"type": "openai_credential"}, "data.api_key"),
        ({"type": "openai_credential", "api_key": {"a": CANARY}}, "data.api_key"),
        ({"type": "openai_credential", "api_key": "**********"}, "data.api_key"),
        ({"type": "openai_credential", "api_key": CANARY, "id": "a/b"}, "data.id"),
    ],
)
async def test_what_is_wrong_is_named_but_not_repeated(client: httpx.AsyncClient, data: dict[str, object], path: str):
    answer = await client.post("/credential/", json={"data": data})

    assert answer.status_code == 422
    assert path in [problem["path"] for problem in answer.json()["errors"]]
    assert CANARY not in answer.text


async def test_an_id_can_be_chosen_once(client: httpx.AsyncClient):
    first, second = await create(client, id="mine"), await create(client, id="mine")

    assert first.json() == {"credential_id": "mine"}
    assert second.status_code == 409


async def test_a_deleted_credential_is_gone(client: httpx.AsyncClient):
    created = (await create(client)).json()["credential_id"]

    answers = [await client.delete(f"/credential/{created}") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 404]
    assert (await client.get("/credential/")).json()["total"] == 0


async def test_the_forms_mark_secrets_and_need_no_user(client: httpx.AsyncClient):
    del client.headers["x-user-id"]

    schemas = (await client.get("/credential/schemas")).json()["schemas"]

    openai = next(each for each in schemas if each["properties"]["type"]["const"] == "openai_credential")
    assert openai["properties"]["api_key"]["writeOnly"] is True
    assert openai["properties"]["api_key"]["format"] == "password"


async def secrets(app, credential_id: str) -> dict[str, str]:
    from agentsvc.plugin import AgentServicePlugin  # noqa: PLC0415
    from agentsvc.services.credentials import opened  # noqa: PLC0415

    parts = app.plugins.get(AgentServicePlugin).parts
    return opened(parts.credentials.vault, await parts.storage.of("ada").credentials.get(credential_id))
