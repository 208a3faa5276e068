"""JSON bodies: decoded once, from bytes to the struct, with a word on every field that is wrong."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, cast

from litestar import Request
from litestar.dto import AbstractDTO
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.openapi.spec import Reference, Schema
from litestar.types import HTTPReceiveMessage, HTTPRequestEvent, Receive
from litestar.typing import FieldDefinition

from agentsvc.domain.chat import ChatIn, decode_chat
from agentsvc.domain.decoding import decode
from agentsvc.domain.errors import BadRequest
from agentsvc.http.examples import EXAMPLES

# Of a body that is too large, so many times its limit and so many seconds are heard out.
_TIMES = 10
_HEARD_S = 5.0


class HeardOut(Request[Any, Any, Any]):
    """A request whose body may be too large. Cut off in the middle of sending, its client would never read why."""

    async def stream(self) -> AsyncGenerator[bytes]:
        self.receive = rest = _Rest(self.receive)
        try:
            async for part in super().stream():
                yield part
        except RequestEntityTooLarge:
            await rest.hear_out(_TIMES * (self.route_handler.resolve_request_max_body_size() or 0))
            raise


class _Rest:
    """What is still to come of a body. Raises BadRequest, for nobody to read, when the client has left."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def __call__(self) -> HTTPRequestEvent:
        event = cast("HTTPReceiveMessage", await self._receive())
        if event["type"] == "http.disconnect":
            raise BadRequest("The client has left in the middle of the body.")
        self._ended = not event.get("more_body", False)
        return event

    async def hear_out(self, most: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_HEARD_S):
                while not self._ended and most > 0:
                    most -= len((await self())["body"])


class Body(AbstractDTO[Any]):
    """Decodes ``data`` of every handler below the layer whose ``dto`` it is. Raises ``BadRequest`` and ``Invalid``."""

    def decode_bytes(self, value: bytes) -> Any:
        kind = _kind(self)
        return decode_chat(value) if kind is ChatIn else decode(value, kind)

    @classmethod
    def create_for_field_definition(
        cls, field_definition: FieldDefinition, handler_id: str, backend_cls: Any = None
    ) -> None:
        """The struct is what is sent: nothing is made in between."""

    @classmethod
    def create_openapi_schema(
        cls,
        field_definition: FieldDefinition,
        handler_id: str,  # noqa: ARG003 - what Litestar hands over
        schema_creator: Any,
    ) -> Reference:
        reference: Reference = schema_creator.for_field_definition(field_definition)
        schema: Schema = schema_creator.schema_registry.from_reference(reference).schema
        schema.additional_properties = False
        schema.examples = EXAMPLES.get(field_definition.annotation)
        return reference


def _kind(body: Any) -> Any:
    """What the handler takes as ``data``."""
    return body.asgi_connection.route_handler.parsed_data_field.annotation
