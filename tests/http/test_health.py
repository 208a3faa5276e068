"""What load balancers and orchestrators are told."""

import os
import signal

import httpx
from litestar import Litestar

from agentsvc.plugin import AgentServicePlugin
from tests.redis_kinds.chosen import only_standalone
from tests.redis_kinds.clients import connected


async def test_a_healthy_process_says_so_without_a_user(client: httpx.AsyncClient):
    del client.headers["x-user-id"]

    answers = [await client.get(path) for path in ("/health", "/health/ready", "/health/live")]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert answers[0].json()["components"] == {"storage": "ok", "message_bus": "ok", "workers": "ok"}


async def test_a_process_that_is_to_stop_is_not_ready_but_alive(app: Litestar, client: httpx.AsyncClient):
    app.plugins.get(AgentServicePlugin).parts.drain()

    ready, live = await client.get("/health/ready"), await client.get("/health/live")

    assert ready.status_code == 503
    assert ready.json()["components"]["workers"] == "not_ready"
    assert live.status_code == 200


@only_standalone("one server is silenced")
async def test_a_process_whose_redis_is_silent_is_not_ready_but_alive(client: httpx.AsyncClient, redis_url: str, until):
    async def is_ready() -> bool:
        return (await client.get("/health")).status_code == 200

    with connected(redis_url) as operator:
        server = operator.info()["process_id"]
    os.kill(server, signal.SIGSTOP)

    try:
        ready, live = await client.get("/health"), await client.get("/health/live")
    finally:
        os.kill(server, signal.SIGCONT)

    assert ready.status_code == 503
    assert ready.json()["status"] == "not_ready"
    assert ready.json()["components"]["storage"] == "not_ready"
    assert live.status_code == 200
    await until(is_ready, "it is ready again")
