"""JSON bodies: decoded once, from bytes to the struct, with a word on every field that is wrong."""

from typing import Any

from litestar.dto import AbstractDTO
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from agentsvc.domain.chat import ChatIn, decode_chat
from agentsvc.domain.decoding import decode
from agentsvc.http.examples import EXAMPLES


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
