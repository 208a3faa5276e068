"""JSON Schemas of structs, as forms and clients want them: in one piece."""

from typing import Any

import msgspec

from agentsvc.domain.decoding import is_array, is_object


def form_of(kind: type) -> dict[str, Any]:
    """The schema of a struct that does not contain itself, without references."""
    (root,), parts = msgspec.json.schema_components((kind,), ref_template="{name}")
    schema: dict[str, Any] = _resolved(root, parts)
    return schema


def _resolved(schema: Any, parts: dict[str, Any]) -> Any:
    if is_array(schema):
        return [_resolved(each, parts) for each in schema]
    if not is_object(schema):
        return schema
    beside = {key: _resolved(value, parts) for key, value in schema.items() if key != "$ref"}
    return {**_resolved(parts[schema["$ref"]], parts), **beside} if "$ref" in schema else beside
