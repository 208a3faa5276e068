"""The service inside other apps: nothing of it leaks out, and nothing of theirs gets in."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from litestar import Controller, Litestar, Request, Response, get
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotAuthorizedException, NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from msgspec import Struct
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import agentsvc
from agentsvc.app import create_app
from agentsvc.domain.errors import Unauthorized, Unavailable
from agentsvc.domain.ids import OwnerId
from agentsvc.http.identity import Auth
from agentsvc.plugin import AgentServicePlugin
from tests.http.conftest import client_of, said
from tests.http.test_identity import owned


class AgentView(Struct, frozen=True):
    """The host's own, under a name that we use as well."""

    badge: int


class AgentController(Controller):
    path = "/agent"

    @get("/")
    async def page(self, agents: NamedDependency[str], user_id: NamedDependency[int]) -> list[AgentView]:
        return [AgentView(badge=user_id + len(agents))]

    @get("/missing")
    async def missing(self) -> None:
        raise NotFoundException("the host's words")

    @get("/broken")
    async def broken(self) -> None:
        raise ValueError("the host's own fault")


def host_says(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, str]]:
    return Response({"host": type(error).__name__}, status_code=getattr(error, "status_code", 500))


@pytest.fixture
def host(settings) -> Litestar:
    """An app with names, handlers and habits of its own, and the service below a prefix."""
    return Litestar(
        [AgentController],
        plugins=[AgentServicePlugin(settings=settings, prefix="/svc/")],
        dependencies={
            "agents": Provide(lambda: "four", sync_to_thread=False),
            "sessions": Provide(lambda: None, sync_to_thread=False),
            "user_id": Provide(lambda: 3, sync_to_thread=False),
        },
        exception_handlers={404: host_says, 422: host_says, Exception: host_says},
        openapi_config=OpenAPIConfig(title="Host", version="9", components=Components()),
        logging_config=None,
    )


async def test_the_host_stays_as_it_was(host: Litestar):
    async with host.lifespan(), client_of(host) as client:
        page = await client.get("/agent")
        missing = await client.get("/agent/missing")
        broken = await client.get("/agent/broken")
        nowhere = await client.get("/svcs")

    assert page.json() == [{"badge": 7}]
    assert missing.json() == {"host": "NotFoundException"}
    assert broken.json() == {"host": "ValueError"}
    assert nowhere.json() == {"host": "NotFoundException"}
    for answer in (page, missing, broken, nowhere):
        assert "x-request-id" not in answer.headers


async def test_the_service_is_the_same_below_a_prefix(host: Litestar):
    async with host.lifespan(), client_of(host) as client:
        created = await client.post("/svc/agent/", json={"name": "Ada"})
        agent = created.json()["agent_id"]
        session = (await client.post("/svc/sessions/", json={"agent_id": agent})).json()["session_id"]
        body = {"agent_id": agent, "session_id": session, "input": said("Hello")}
        sent = await client.post("/svc/chat", json=body)
        missing = await client.get("/svc/agent/nobody")
        invalid = await client.post("/svc/agent/", json={})
        nobody = await client.get("/svc/agent/", headers={"x-user-id": ""})

    assert created.status_code == 201
    assert sent.status_code == 200
    assert [answer.status_code for answer in (missing, invalid, nobody)] == [404, 422, 401]
    for answer in (missing, invalid, nobody):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-request-id"]


async def test_the_document_of_the_host_has_both(host: Litestar):
    async with host.lifespan():
        document = host.openapi_schema.to_schema()

    assert document["info"]["title"] == "Host"
    assert {"/agent", "/svc/agent", "/svc/chat"} <= set(document["paths"])
    assert document["components"]["securitySchemes"]["user"]["name"] == "X-User-ID"
    assert "security" not in document["paths"]["/agent"]["get"]
    reference = document["paths"]["/agent"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    name = reference["items"]["$ref"].rpartition("/")[2]
    assert document["components"]["schemas"][name]["properties"] == {"badge": {"type": "integer"}}


async def test_a_host_without_a_document_needs_none(settings):
    host = Litestar(plugins=[AgentServicePlugin(settings=settings)], openapi_config=None, logging_config=None)

    async with host.lifespan(), client_of(host) as client:
        answer = await client.get("/agentsvc/health")

    assert answer.status_code == 200


async def test_the_host_can_use_the_parts(host: Litestar):
    async with host.lifespan(), client_of(host) as client:
        parts = host.plugins.get(AgentServicePlugin).parts
        await client.post("/svc/agent/", json={"name": "Ada"})

        page = await parts.storage.of(OwnerId("ada")).agents.page(10)

    assert page.total == 1
    with pytest.raises(Unavailable):
        _ = host.plugins.get(AgentServicePlugin).parts


async def test_it_is_mounted_under_starlette(settings):
    inner: Any = create_app(settings=settings)

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncGenerator[None]:
        async with inner.lifespan():  # Mount does not enter it
            yield

    outer = Starlette(routes=[Route("/", lambda _: PlainTextResponse("outer")), Mount("/svc", inner)], lifespan=life)

    async with outer.router.lifespan_context(outer), client_of(outer) as client:
        root = await client.get("/")
        created = await client.post("/svc/agent/", json={"name": "Ada"})
        found = await client.get(f"/svc/agent/{created.json()['agent_id']}")
        missing = await client.get("/svc/nothing")

    assert root.text == "outer"
    assert created.status_code == 201
    assert found.json()["data"]["name"] == "Ada"
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.headers["x-request-id"]


KEY = "a key of at least thirty-two bytes"


async def user_of_token(request: Request[Any, Any, Any]) -> str:
    """The subject of a bearer token: what a plugin for an identity provider does."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized
    try:
        return str(jwt.decode(token, KEY, ["HS256"], options={"require": ["exp", "sub"]})["sub"])
    except jwt.InvalidTokenError as error:
        raise NotAuthorizedException(str(error), headers={"www-authenticate": "Bearer"}) from error


BEARER = Auth(user_of_token, SecurityScheme(type="http", scheme="bearer", bearer_format="JWT"), name="token")


def bearer(**claims: object) -> dict[str, str]:
    return {"authorization": "Bearer " + jwt.encode({"sub": "ada", "exp": 2**33, **claims}, KEY, "HS256")}


async def test_one_argument_replaces_who_is_asked_on_every_route(settings):
    app = create_app(settings=settings, auth=BEARER)

    async with app.lifespan(), client_of(app, "mallory") as client:
        operations = owned(app.openapi_schema.to_schema())
        refused = [
            await client.request(method, path, headers=headers, params={"agent_id": "x"}, json={})
            for method, path in operations
            for headers in ({}, bearer(exp=1), {"authorization": "Bearer nonsense"}, bearer(sub=""))
        ]
        created = await client.post("/agent/", json={"name": "Ada"}, headers=bearer())
        agent = (await client.get(f"/agent/{created.json()['agent_id']}", headers=bearer())).json()
        schema = app.openapi_schema.to_schema()

    assert {answer.status_code for answer in refused} == {401}
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in refused)
    assert agent["user_id"] == "ada"
    assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert schema["paths"]["/agent"]["get"]["security"] == [{"token": []}]


async def test_what_is_not_an_argument_is_an_error():
    unknown: Any = {"storrage": None}

    with pytest.raises(TypeError, match="storrage"):
        create_app(**unknown)
    with pytest.raises(TypeError, match="storrage"):
        AgentServicePlugin(**unknown)


async def test_a_middleware_sees_every_request(settings):
    seen: list[str] = []

    def count(app: Any) -> Any:
        async def counted(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["path"])
            await app(scope, receive, send)

        return counted

    app = create_app(settings=settings, extra_middlewares=[count])

    async with app.lifespan(), client_of(app) as client:
        await client.get("/health/live")
        await client.get("/agent/")

    assert seen == ["/health/live", "/agent"]


@pytest.mark.parametrize("name", [name for name in dir(agentsvc) if not name.startswith("_")])
def test_every_public_name_can_be_imported(name: str):
    assert getattr(agentsvc, name)


def test_a_name_that_is_not_there_is_an_error():
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = agentsvc.Nonsense
