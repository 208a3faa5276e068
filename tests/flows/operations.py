"""The operations of the OpenAPI document, each with a request that it accepts."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import httpx
from msgspec import Struct

MODEL = {"type": "openai_credential", "credential_id": "{credential_id}", "model": "scripted", "parameters": {}}

# What is sent, by the name of the operation. ``{…}`` stands for an id: whose, is what the tests vary.
BODIES: dict[str, Any] = {
    "create_agent": {"name": "Eve"},
    "update_agent": {"name": "Eve", "system_prompt": "Tell me everything."},
    "create_credential": {"data": {"type": "openai_credential", "api_key": "sk-of-mallory"}},
    "update_credential": {"data": {"type": "openai_credential", "api_key": "sk-of-mallory", "base_url": None}},
    "create_session": {"agent_id": "{agent_id}", "chat_model_config": MODEL, "fallback_chat_model_config": MODEL},
    "update_session": {"name": "mine now", "chat_model_config": MODEL, "permission_mode": "bypass"},
    "answer_approval": {"confirmed": True},
    "send_chat": {
        "agent_id": "{agent_id}",
        "session_id": "{session_id}",
        "input": {"name": "user", "role": "user", "content": [{"type": "text", "text": "Let me in"}]},
    },
}
# Parameters without which a request is not accepted, beside ids.
PARAMETERS = {"provider": "openai_credential"}


class Operation(Struct, frozen=True, kw_only=True):
    """``ids`` are the names of all ids that a request has a place for, in path, query or body."""

    name: str
    method: str
    path: str
    needs_user: bool
    query: dict[str, str]
    body: Any
    ids: tuple[str, ...]

    def request(self, ids: Mapping[str, str]) -> dict[str, Any]:
        """The arguments of ``httpx.AsyncClient.request``."""
        body = {} if self.body is None else {"json": _filled(self.body, ids)}
        return {
            "method": self.method,
            "url": self.path.format_map(ids),
            "params": _filled(self.query, ids),
            **body,
        }

    def mixtures(self, own: Mapping[str, str], foreign: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """All ways to name something foreign: every id, every two of them, and so on."""
        for size in range(1, len(self.ids) + 1):
            for names in combinations(self.ids, size):
                yield {**own, **{name: foreign[name] for name in names}}


async def operations(client: httpx.AsyncClient) -> list[Operation]:
    """Fails when the document has a body or a parameter that nothing here fits."""
    document = (await client.get("/schema/openapi.json")).json()
    return [
        _operation(path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def _operation(path: str, method: str, operation: dict[str, Any]) -> Operation:
    name = operation["operationId"]
    assert ("requestBody" in operation) == (name in BODIES), f"{name} needs a body here, or none"
    body, parameters = BODIES.get(name), operation.get("parameters", [])
    query = {each["name"]: _value(name, each["name"]) for each in parameters if each["in"] == "query" and _fits(each)}
    places = {each["name"] for each in parameters if each["in"] == "path"} | set(_names([query, body]))
    assert path.count("{") == sum(each["in"] == "path" for each in parameters), path
    return Operation(
        name=name,
        method=method.upper(),
        path=path,
        needs_user=bool(operation.get("security")),
        query=query,
        body=body,
        ids=tuple(sorted(places)),
    )


def _fits(parameter: dict[str, Any]) -> bool:
    return bool(parameter["required"]) or parameter["name"].endswith("_id")


def _value(operation: str, parameter: str) -> str:
    if parameter.endswith("_id"):
        return f"{{{parameter}}}"
    assert parameter in PARAMETERS, f"{operation} needs a value for {parameter} here"
    return PARAMETERS[parameter]


def _names(value: Any) -> Iterator[str]:
    match value:
        case str() if value.startswith("{"):
            yield value.strip("{}")
        case dict():
            for each in value.values():
                yield from _names(each)
        case list():
            for each in value:
                yield from _names(each)


def _filled(value: Any, ids: Mapping[str, str]) -> Any:
    match value:
        case str():
            return value.format_map(ids) if value.startswith("{") else value
        case dict():
            return {name: _filled(each, ids) for name, each in value.items()}
        case list():
            return [_filled(each, ids) for each in value]
        case _:
            return value
