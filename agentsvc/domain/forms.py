"""JSON Schemas of structs, as forms and clients want them: in one piece."""

from typing import Any

import msgspec


def form_of(kind: type) -> dict[str, Any]:
    """The schema of a struct that does not contain itself, without references."""
    (root,), parts = msgspec.json.schema_components((kind,), ref_template="{name}")
    schema: dict[str, Any] = _resolved(root, parts)
    return schema


def _resolved(schema: Any, parts: dict[str, Any]) -> Any:
    match schema:
        case {"$ref": name, **beside}:
            return {**_resolved(parts[name], parts), **_resolved(beside, parts)}
        case dict():
            return {key: _resolved(value, parts) for key, value in schema.items()}
        case list():
            return [_resolved(value, parts) for value in schema]
        case _:
            return schema
