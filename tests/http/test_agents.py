"""Agents over HTTP."""

import httpx
import pytest


async def test_an_agent_with_a_name_alone_has_the_defaults(client: httpx.AsyncClient):
    created = await client.post("/agent/", json={"name": "Ada"})

    agent = (await client.get(f"/agent/{created.json()['agent_id']}")).json()

    assert created.status_code == 201
    assert agent["data"]["name"] == "Ada"
    assert agent["data"]["id"] == agent["id"]
    assert agent["data"]["react_config"]["max_iters"] == 50
    assert agent["data"]["context_config"]["trigger_ratio"] == 0.8
    assert agent["source"] == "user"
    assert agent["editable"] is True


async def test_a_change_of_one_field_keeps_the_others(client: httpx.AsyncClient, agent: str):
    await client.patch(f"/agent/{agent}", json={"system_prompt": "You sing."})

    changed = await client.patch(f"/agent/{agent}", json={"name": "Bea", "system_prompt": None})

    assert changed.status_code == 200
    assert changed.json()["data"]["name"] == "Bea"
    assert changed.json()["data"]["system_prompt"] == "You sing."
    assert changed.json()["version"] == 3


async def test_how_long_a_run_may_take_is_said_with_the_agent(client: httpx.AsyncClient, agent: str):
    changed = await client.patch(f"/agent/{agent}", json={"run_config": {"time_limit": 90}})
    wrong = [await client.patch(f"/agent/{agent}", json={"run_config": {"time_limit": it}}) for it in (0, -1, "1")]
    lifted = await client.patch(f"/agent/{agent}", json={"run_config": {"time_limit": None}})

    assert changed.json()["data"]["run_config"] == {"time_limit": 90}
    assert [answer.json()["errors"][0]["path"] for answer in wrong] == ["run_config.time_limit"] * 3
    assert lifted.json()["data"]["run_config"] == {"time_limit": None}


@pytest.mark.parametrize("sent", [{"headers": {"if-match": '"1"'}}, {"params": {"version": 1}}])
async def test_two_editors_do_not_overwrite_each_other(client: httpx.AsyncClient, agent: str, sent):
    first = await client.patch(f"/agent/{agent}", json={"name": "Bea"}, **sent)

    second = await client.patch(f"/agent/{agent}", json={"name": "Cleo"}, **sent)

    assert first.json()["version"] == 2
    assert second.status_code == 409
    assert second.json()["code"] == "version_conflict"
    assert second.json()["version"] == 2


async def test_an_if_match_that_is_no_version_is_refused(client: httpx.AsyncClient, agent: str):
    answer = await client.patch(f"/agent/{agent}", json={}, headers={"if-match": "yesterday"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "If-Match"


async def test_an_invitable_agent_needs_a_description(client: httpx.AsyncClient):
    answer = await client.post("/agent/", json={"name": "Ada", "invite_config": {"invitable": True}})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "invite_config"


async def test_a_walk_over_pages_meets_every_agent_once_newest_first(client: httpx.AsyncClient):
    made = [(await client.post("/agent/", json={"name": f"{n}"})).json()["agent_id"] for n in range(5)]

    found: list[str] = []
    cursor = None
    while True:
        page = (await client.get("/agent/", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        found += [agent["id"] for agent in page["agents"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert found == made[::-1]
    assert page["total"] == 5


async def test_a_deleted_agent_takes_its_sessions_with_it(client: httpx.AsyncClient, agent: str, session: str):
    deleted = await client.delete(f"/agent/{agent}")

    assert deleted.status_code == 204
    assert (await client.get(f"/agent/{agent}")).status_code == 404
    assert (await client.get(f"/sessions/{session}", params={"agent_id": agent})).status_code == 404
    assert (await client.get(f"/sessions/{session}/messages", params={"agent_id": agent})).status_code == 404


async def test_the_form_of_an_agent_is_in_one_piece_and_needs_no_user(client: httpx.AsyncClient):
    del client.headers["x-user-id"]

    parts = (await client.get("/agent/schema")).json()
    whole = (await client.get("/agent/schema/v2")).json()["schema"]

    assert parts.keys() == {"identity", "context_config", "react_config"}
    assert whole["properties"]["react_config"]["properties"]["max_iters"]["default"] == 50
    assert "$ref" not in str(whole)


@pytest.mark.parametrize("path", ["/agent", "/agent/", "/health", "/health/", "/sessions/?agent_id=x"])
async def test_paths_answer_with_and_without_a_slash(client: httpx.AsyncClient, path: str):
    assert (await client.get(path)).status_code in {200, 404}
    assert (await client.get(path)).headers["content-type"] in {"application/json", "application/problem+json"}


async def test_a_request_sent_twice_with_one_key_is_carried_out_once(client: httpx.AsyncClient):
    key = {"idempotency-key": "first"}

    answers = [await client.post("/agent/", json={"name": "Ada"}, headers=key) for _ in range(2)]
    other = await client.post("/agent/", json={"name": "Bea"}, headers=key)

    assert answers[0].json() == answers[1].json()
    assert (await client.get("/agent/")).json()["total"] == 1
    assert other.status_code == 422
    assert other.json()["errors"][0]["path"] == "Idempotency-Key"


async def test_a_refused_request_leaves_its_key_free(client: httpx.AsyncClient):
    key = {"idempotency-key": "first"}
    body = {"agent_id": "nobody"}

    answers = [await client.post("/sessions/", json=body, headers=key) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [404, 404]
