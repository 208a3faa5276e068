"""Runs over HTTP: one by one, and page by page for a session."""

from urllib.parse import quote

import httpx
import pytest
from msgspec.structs import replace

from agentsvc.app import create_app
from agentsvc.settings import Settings
from tests.conftest import Until
from tests.flows.traces import traces
from tests.http.conftest import client_of, said
from tests.recorded_runs import AT, record
from tests.redis_kinds.clients import connected

MALLORY = {"x-user-id": "mallory"}


@pytest.fixture
def url(settings: Settings) -> str:
    assert settings.redis_url is not None
    return settings.redis_url


def quoted(text: str) -> str:
    """As one segment of a path, which nobody on the way shortens."""
    return quote(text, safe="").replace(".", "%2E")


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_run_is_shown_as_it_stands(client: httpx.AsyncClient, url: str, agent: str, session: str, slash: str):
    run_id = record(url, session, status="running", attempts=1, worker="w1", started=AT + 10, input=3, output=4)

    found = (await client.get(f"/runs/{run_id}{slash}")).json()
    page = (await client.get(f"/sessions/{session}/runs{slash}")).json()

    assert found == {
        "id": run_id,
        "session_id": session,
        "agent_id": agent,
        "cause": "chat",
        "status": "running",
        "attempts": 1,
        "worker": "w1",
        "created_at": "2026-11-18T09:06:40.000000+00:00",
        "started_at": "2026-11-18T09:06:40.010000+00:00",
        "ended_at": None,
        "input_tokens": 3,
        "output_tokens": 4,
        "reply_id": None,
        "error": None,
    }
    assert page == {"runs": [found], "total": 1, "next_cursor": None}


async def test_the_runs_of_a_session_come_page_by_page(client: httpx.AsyncClient, url: str, agent: str, session: str):
    for number in range(5):
        record(url, session, f"n{number}", at=AT + number)

    names: list[str] = []
    query = {"agent_id": agent, "limit": "2"}
    while True:
        page = (await client.get(f"/sessions/{session}/runs", params=query)).json()
        names += [run["id"].removeprefix(f"{session}.") for run in page["runs"]]
        assert page["total"] == 5
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert names == ["n4", "n3", "n2", "n1", "n0"]


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "501"}, {"limit": "x"}, {"cursor": "x"}])
async def test_a_page_that_cannot_be_is_refused(client: httpx.AsyncClient, session: str, query: dict[str, str]):
    answer = await client.get(f"/sessions/{session}/runs", params=query)

    assert answer.status_code == 422
    assert [each["path"] for each in answer.json()["errors"]] == list(query)


async def test_what_is_somebody_elses_is_not_found_and_leaves_no_trace(
    client: httpx.AsyncClient, url: str, agent: str, session: str
):
    run_id = record(url, session)
    other = (await client.post("/agent/", json={"name": "Eve"})).json()["agent_id"]
    with connected(url) as database:
        before = traces(database)

        answers = [
            await client.get(f"/runs/{run_id}", headers=MALLORY),
            await client.get(f"/sessions/{session}/runs", headers=MALLORY),
            await client.get(f"/sessions/{session}/runs", params={"agent_id": agent}, headers=MALLORY),
            await client.get(f"/sessions/{session}/runs", params={"agent_id": other}),
        ]

        assert traces(database) == before
    assert [answer.status_code for answer in answers] == [404] * 4
    assert {answer.json()["code"] for answer in answers} == {"not_found"}


@pytest.mark.parametrize(
    "run_id",
    [
        *("x", ".", "..", "...", ".n1", "{}", "{}.", "{}.n2", "{}..n1", "{}.n1.n1", "{{{}}}.n1", "{}.{{n1}}", "*.n1"),
        *("{}/n1", "{}%00.n1", "../{}.n1", "{}:run:n1", "{}.n1\r\nX-User-ID: ada", "\x00", "%", "é.ü", "🙂"),
        pytest.param("{}." + "n" * 2_000, id="long name"),
        pytest.param("{}" + "s" * 2_000 + ".n1", id="long session"),
    ],
)
async def test_what_is_no_id_of_a_run_is_not_found(client: httpx.AsyncClient, url: str, session: str, run_id: str):
    record(url, session, "n1")
    with connected(url) as database:
        before = traces(database)

        one = await client.get(f"/runs/{quoted(run_id.format(session))}")
        many = await client.get(f"/sessions/{quoted(run_id.format(session + 'x'))}/runs")

        assert traces(database) == before
    assert (one.status_code, many.status_code) == (404, 404)


@pytest.mark.parametrize(
    "path", ["/runs/%FF.n1", "/runs/%ED%A0%80.n1", "/sessions/%FF/runs", "/sessions/%ED%A0%80/runs"]
)
async def test_what_is_no_text_is_not_found(client: httpx.AsyncClient, path: str):
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/runs/x.y", "/sessions/x/runs"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_runs_are_only_read(client: httpx.AsyncClient, method: str, path: str):
    assert (await client.request(method, path)).status_code == 405


async def test_a_run_that_has_ended_is_kept_as_long_as_is_set(settings: Settings, until: Until):
    app = create_app(settings=replace(settings, run_keep_s=1))
    async with app.lifespan(), client_of(app) as client:
        agent = (await client.post("/agent/", json={"name": "Bob"})).json()["agent_id"]
        session = (await client.post("/sessions/", json={"agent_id": agent})).json()["session_id"]
        sent = {"agent_id": agent, "session_id": session, "input": said("hi")}
        run_id = (await client.post("/chat/", json=sent)).json()["run_id"]

        kept = await client.get(f"/runs/{run_id}")

        async def gone() -> bool:
            return (await client.get(f"/runs/{run_id}")).status_code == 404

        await until(gone, "the run is forgotten", within=15)
        listed = (await client.get(f"/sessions/{session}/runs")).json()
        messages = (await client.get(f"/sessions/{session}/messages", params={"agent_id": agent})).json()["messages"]

    assert kept.status_code == 200
    assert listed["runs"] == []
    assert [each["role"] for each in messages] == ["user", "assistant"]
