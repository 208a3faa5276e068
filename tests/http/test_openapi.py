"""The document says what the routes do."""

import httpx
import pytest
from litestar import Litestar


@pytest.fixture
async def document(client: httpx.AsyncClient):
    return (await client.get("/schema/openapi.json")).json()


async def test_the_document_can_be_read_by_people(client: httpx.AsyncClient):
    for path in ("/schema", "/schema/swagger"):
        answer = await client.get(path)
        assert answer.status_code == 200
        assert "text/html" in answer.headers["content-type"]


async def test_every_operation_names_its_errors_as_problems(document):
    for path, method, operation in operations(document):
        errors = {status: each for status, each in operation["responses"].items() if int(status) >= 400}
        wanted = {"400", "500", "503"}
        wanted |= {"401", "422"} if operation.get("security") else set()
        wanted |= {"413"} if "requestBody" in operation else set()
        assert wanted <= errors.keys(), (method, path)
        for status, error in errors.items():
            if not (path.startswith("/health") and status == "503"):
                assert list(error["content"]) == ["application/problem+json"], (method, path, status)


async def test_unions_say_what_tells_them_apart(document):
    content = document["components"]["schemas"]["Msg"]["properties"]["content"]["items"]
    stream = document["paths"]["/sessions/{session_id}/stream"]["get"]["responses"]["200"]["content"]

    assert content["discriminator"]["propertyName"] == "type"
    assert content["discriminator"]["mapping"]["tool_call"] == "#/components/schemas/ToolCallBlock"
    mapping = stream["text/event-stream"]["schema"]["discriminator"]["mapping"]
    assert mapping["TEXT_BLOCK_DELTA"] == "#/components/schemas/TextBlockDelta"


async def test_bodies_are_closed_and_have_examples_that_hold(client: httpx.AsyncClient, document):
    for path, method, operation in operations(document):
        if "requestBody" not in operation:
            continue
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
        assert schema["additionalProperties"] is False
        for example in schema["examples"]:
            at = path.replace("{", "").replace("}", "")
            answer = await client.request(method, at, params={"agent_id": "x"}, json=example)
            assert answer.status_code in {201, 404}, (method, path, answer.text)


async def test_every_operation_has_a_name_and_a_summary(document):
    found = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(found) == len(set(found))
    assert {"send_chat", "stream_session", "list_agents"} <= set(found)
    assert all(operation["summary"] for _, _, operation in operations(document))


async def test_only_what_has_no_owner_needs_no_user(document):
    public = {path for path, _, operation in operations(document) if not operation.get("security")}

    assert public == {
        "/health",
        "/health/live",
        "/health/ready",
        "/model",
        "/agent/schema",
        "/agent/schema/v2",
        "/credential/schemas",
    }
    assert document["components"]["securitySchemes"]["user"]["name"] == "X-User-ID"


async def test_every_route_is_documented(app: Litestar, document):
    routes = {route.path_format for route in app.routes if not route.path.startswith("/schema")}

    assert routes == set(document["paths"])


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation
