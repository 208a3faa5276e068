"""What the OpenAPI document says beyond what the handlers' signatures say."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from http import HTTPStatus
from typing import Any

from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Discriminator, OpenAPI, PathItem, Reference, Schema

from agentsvc.domain.decoding import is_array, is_object
from agentsvc.http.problems import MEDIA_TYPE, ProblemDetails

_ALWAYS = (400, 500, 503)
_WORDS = {
    400: "The request cannot be read, or its body is not JSON.",
    401: "The request does not say who sends it.",
    404: "There is no such thing, or it belongs to somebody else.",
    409: "The state of the resource does not allow it.",
    413: "The body is too large.",
    422: "The request can be read but not accepted; `errors` has the path of each field that is wrong.",
    429: "Too much waits already, and nothing was kept. Try again after the time that `Retry-After` says.",
    500: "The service failed.",
    503: "A part that this needs is not there now. Try again after the time that `Retry-After` says.",
}


def refusals(*statuses: int) -> dict[int, ResponseSpec]:
    """The errors of a route, as problem details; some can happen everywhere."""
    return {status: _problem(status) for status in (*statuses, *_ALWAYS)}


def of_owner(*statuses: int, body: bool = False) -> dict[int, ResponseSpec]:
    """The errors of a route that knows its user: parameters may be malformed, and so may a ``body``."""
    return refusals(401, *((413,) if body else ()), 422, *statuses)


def _problem(status: int) -> ResponseSpec:
    words = _WORDS.get(status, HTTPStatus(status).phrase)
    return ResponseSpec(ProblemDetails, generate_examples=False, description=words, media_type=MEDIA_TYPE)


def add_discriminators(document: OpenAPI, prefix: str) -> None:
    """Say of each union of tagged structs below the prefix which field tells its members apart."""
    schemas = document.components.schemas
    reached = _Reached(schemas or {})
    below = prefix.rstrip("/") + "/"
    for schema in reached.below(item for path, item in (document.paths or {}).items() if path.startswith(below)):
        references = [each for each in schema.one_of or () if isinstance(each, Reference)]
        if len(references) > 1:
            schema.discriminator = _discriminator(references, reached.schemas)


class _Reached:
    """Walks a part of the document and the components that it refers to."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self.schemas = schemas
        self._seen: set[str] = set()

    def below(self, items: Iterable[PathItem]) -> Iterator[Schema]:
        for item in items:
            yield from self._within(item)

    def _within(self, part: Any) -> Iterator[Schema]:
        if isinstance(part, Schema):
            yield part
        if isinstance(part, Reference):
            name = _name(part)
            if name in self.schemas and name not in self._seen:
                self._seen.add(name)
                yield from self._within(self.schemas[name])
        elif is_dataclass(part):
            for each in fields(part):
                yield from self._within(getattr(part, each.name))
        elif is_object(part):
            for value in part.values():
                yield from self._within(value)
        elif is_array(part):
            for value in part:
                yield from self._within(value)


def _discriminator(references: list[Reference], schemas: dict[str, Schema]) -> Discriminator | None:
    """None when the members share no field that each of them has with another constant."""
    constants = [_constants(schemas.get(_name(reference))) for reference in references]
    for name in sorted(set(constants[0]).intersection(*constants[1:])):
        mapping = {str(each[name]): reference.ref for each, reference in zip(constants, references, strict=True)}
        if len(mapping) == len(references):
            return Discriminator(property_name=name, mapping=mapping)
    return None


def _constants(schema: Schema | None) -> dict[str, Any]:
    properties = (schema.properties if schema else None) or {}
    return {
        name: each.const for name, each in properties.items() if isinstance(each, Schema) and each.const is not None
    }


def _name(reference: Reference) -> str:
    return reference.ref.rsplit("/", 1)[-1]
