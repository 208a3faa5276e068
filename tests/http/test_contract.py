"""The service answers as its document says, whatever it is sent."""

from collections.abc import Iterator
from typing import Any

import anyio
import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from agentsvc.app import create_app
from agentsvc.domain.ids import AgentId, OwnerId, SessionId, new_id
from agentsvc.settings import Settings
from tests.approvals import ask
from tests.redis_kinds.chosen import chosen
from tests.service import Service, serving

DOCUMENT: Any = msgspec.json.decode(msgspec.json.encode(create_app(settings=Settings()).openapi_schema.to_schema()))
_FOUND: Any = schemathesis.openapi.from_dict(DOCUMENT).get_all_operations()
OPERATIONS: dict[str, Any] = {each.ok().definition.raw["operationId"]: each.ok() for each in _FOUND}
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ADA = {"X-User-ID": "ada"}
# The same examples each time: what fails here fails there.
FEW = settings(
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with chosen() as kind, serving(kind.url) as service:
        anyio.run(service.ready)
        yield service


@pytest.fixture
def url(service: Service) -> str:
    return service.url


@pytest.fixture
def ids(service: Service) -> dict[str, str]:
    """One of everything."""
    url = service.url
    data = {"type": "openai_credential", "api_key": "sk-test", "base_url": "http://127.0.0.1:9/v1"}
    found: dict[str, str] = made(url, "/credential/", {"data": data}) | made(url, "/agent/", {"name": "Bob"})
    found |= made(url, "/sessions/", {"agent_id": found["agent_id"]})
    names = (OwnerId("ada"), AgentId(found["agent_id"]), SessionId(found["session_id"]))
    return found | {"approval_id": anyio.run(ask, service.redis_url, *names)}


def made(url: str, path: str, body: Any) -> dict[str, str]:
    answer = requests.post(url + path, json=body, headers=ADA, timeout=5)
    assert answer.status_code == 201, answer.text
    found: dict[str, str] = answer.json()
    return found


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        (name, mode)
        for name, operation in OPERATIONS.items()
        for mode in GenerationMode
        # Nothing can be wrong where nothing can be sent.
        if mode.is_positive or any(operation.iter_parameters()) or operation.body
    ],
    ids=lambda each: each if isinstance(each, str) else each.value,
)
def test_every_answer_is_one_that_the_document_names(url: str, ids: dict[str, str], name: str, mode: GenerationMode):
    operation = OPERATIONS[name]

    @FEW
    @given(case=operation.as_strategy(generation_mode=mode), known=st.integers(0, 3))
    def holds(case: Case, known: int) -> None:
        if known:
            for place in (case.path_parameters, case.query, case.body):
                point_at(place, ids)
            # The examples like short ones, so they would soon come again.
            case.headers.update({name: new_id() for name in case.headers if name.lower() == "idempotency-key"})
        check(case, url)

    holds()


def point_at(place: Any, ids: dict[str, str]) -> None:
    """Name what there is, wherever something is named."""
    if isinstance(place, dict):
        place.update({name: value for name, value in ids.items() if name in place})
        for each in place.values():
            point_at(each, ids)


def check(case: Case, url: str) -> None:
    """A stream is left as soon as it has begun."""
    sent = case.as_transport_kwargs(base_url=url, headers=ADA)
    with requests.request(**sent, stream=True, timeout=5) as answer:
        if answer.status_code == 200 and answer.headers["content-type"].startswith("text/event-stream"):
            assert case.operation.definition.raw["operationId"] == "stream_session"
            assert next(answer.iter_lines()).startswith((b":", b"id: ", b"data: "))
        else:
            case.validate_response(
                answer, checks=[*CHECKS, *([negative_data_rejection] if has_wrong_body(case) else [])]
            )


def has_wrong_body(case: Case) -> bool:
    """Whether nothing but the body is wrong. What is not known in a query or a header does no harm."""
    places = case.meta.components.items() if case.meta is not None else ()
    return {place.value for place, component in places if component.mode.is_negative} == {"body"}
