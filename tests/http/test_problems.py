"""Every error is a problem, and says nothing that it should not."""

import httpx
import pytest
from litestar import Litestar, get
from msgspec.structs import replace

from agentsvc.app import create_app
from agentsvc.domain.errors import LeaseLost, ModelError, Overloaded
from agentsvc.kv.errors import Unreachable
from agentsvc.plugin import AgentServicePlugin
from tests.http.conftest import client_of


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing/here", 404), ("PUT", "/agent/", 405), ("GET", "/agent/none", 404), ("GET", "/sessions/", 422)],
)
async def test_every_error_is_a_problem_with_a_request_id(client: httpx.AsyncClient, method, path, status):
    answer = await client.request(method, path)

    problem = answer.json()
    assert answer.status_code == problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert isinstance(problem["detail"], str)
    assert problem["type"] == f"urn:agentsvc:problem:{problem['code']}"
    assert problem["title"]
    assert answer.headers["x-request-id"]


async def test_a_request_id_is_taken_over_when_it_is_one(client: httpx.AsyncClient):
    kept = await client.get("/health/live", headers={"x-request-id": "req-1"})
    made = await client.get("/nothing", headers={"x-request-id": 'a"b'})

    assert kept.headers["x-request-id"] == "req-1"
    assert len(made.headers["x-request-id"]) == 32


async def test_every_bad_field_is_named(client: httpx.AsyncClient):
    body = {"name": "", "nonsense": 1, "react_config": {"max_iters": 0, "stop_on_reject": "yes"}}

    answer = await client.post("/agent/", json=body)

    assert answer.status_code == 422
    assert {problem["path"] for problem in answer.json()["errors"]} == {
        "name",
        "nonsense",
        "react_config.max_iters",
        "react_config.stop_on_reject",
    }


async def test_every_bad_parameter_is_named(client: httpx.AsyncClient, agent: str):
    answer = await client.get(f"/sessions/x/messages?agent_id={agent}&limit=many")

    assert answer.status_code == 422
    assert [problem["path"] for problem in answer.json()["errors"]] == ["limit"]


@pytest.mark.parametrize(
    "body", [b"{", b"", b"\xff", b'{"name": "\\ud800"}', b"[" * 100_000, b'{"name":' + b"[" * 100_000]
)
async def test_what_is_not_json_is_a_bad_request(client: httpx.AsyncClient, body: bytes):
    answers = [await client.post(path, content=body) for path in ("/agent/", "/chat/", "/sessions/", "/credential/")]

    assert [answer.status_code for answer in answers] == [400] * 4


async def test_a_body_that_is_too_large_is_refused(settings):
    app = create_app(settings=replace(settings, max_body=2048))

    async with app.lifespan(), client_of(app) as client:
        answer = await client.post("/agent/", json={"name": "Ada", "system_prompt": "x" * 4096})

    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("a secret of ours"), 500),
        (LeaseLost("a secret of ours"), 500),
        (ModelError("unknown", "a secret of ours"), 500),
        (Unreachable("a secret of ours"), 503),
    ],
)
async def test_a_fault_of_ours_is_not_told(settings, error: Exception, status: int, caplog):
    @get("/broken")
    async def broken() -> None:
        raise error

    app = create_app(settings=settings)
    app.register(broken)

    async with app.lifespan(), client_of(app) as client:
        answer = await client.get("/broken")

    assert answer.status_code == status
    assert "secret" not in answer.text
    assert "a secret of ours" in caplog.text
    assert ("retry-after" in answer.headers) is (status == 503)


async def test_what_is_too_much_is_said_with_the_time_after_which_to_try_again(settings):
    @get("/busy")
    async def busy() -> None:
        raise Overloaded("300 wait", retry_after=7)

    app = create_app(settings=settings)
    app.register(busy)

    async with app.lifespan(), client_of(app) as client:
        answer = await client.get("/busy")

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["detail"]) == ("overloaded", "300 wait")


async def test_an_app_that_was_not_started_says_so(settings):
    app: Litestar = create_app(settings=settings)

    async with client_of(app) as client:
        answer = await client.get("/agent/")

    assert app.plugins.get(AgentServicePlugin).prefix == "/"
    assert answer.status_code == 503
