"""The app, with its lifespan, as clients meet it: without a socket, and on a real one."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from litestar import Litestar

from agentsvc.app import create_app
from agentsvc.models.demo import DEMO_CONFIG
from agentsvc.settings import Settings

DEMO = {"type": DEMO_CONFIG.type, "credential_id": DEMO_CONFIG.credential_id, "model": DEMO_CONFIG.model}


@asynccontextmanager
async def client_of(app: Any, user: str | None = "ada") -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a running app; what the app fails to handle becomes a 500, as on a server."""
    headers = {} if user is None else {"x-user-id": user}
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as opened:
        yield opened


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[Litestar]:
    app = create_app(settings=settings)
    async with app.lifespan():
        yield app


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app) as opened:
        yield opened


@pytest.fixture
async def agent(client: httpx.AsyncClient) -> str:
    """An agent of Ada's."""
    return str((await client.post("/agent/", json={"name": "Ada's"})).json()["agent_id"])


@pytest.fixture
async def session(client: httpx.AsyncClient, agent: str) -> str:
    """A session with it, answered by the demo model."""
    body = {"agent_id": agent, "chat_model_config": DEMO}
    return str((await client.post("/sessions/", json=body)).json()["session_id"])


def said(text: str, **fields: Any) -> dict[str, Any]:
    """A user's message."""
    return {"name": "user", "role": "user", "content": [{"type": "text", "text": text}], **fields}
