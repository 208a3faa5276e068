"""Arguments for the demo's forced calls: the smallest value that a JSON Schema takes."""

from typing import Any

import msgspec

_DEEPEST = 8
_PLAIN: dict[str, Any] = {"string": "demo", "integer": 0, "number": 0, "boolean": False, "array": [], "null": None}


def sample(schema: dict[str, Any]) -> str:
    """JSON text of an object with the required properties."""
    return msgspec.json.encode(_value(schema, schema.get("$defs", {}), 0)).decode()


def _value(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> Any:
    if depth > _DEEPEST:
        return None
    for given in ("const", "default"):
        if given in schema:
            return schema[given]
    if options := schema.get("enum"):
        return options[0]
    if "$ref" in schema:
        return _value(definitions.get(schema["$ref"].rpartition("/")[2], {}), definitions, depth + 1)
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return _value(options[0], definitions, depth + 1)
    return _of_type(schema, definitions, depth)


def _of_type(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> Any:
    kinds: Any = schema.get("type", "object" if "properties" in schema else "string")
    kind: str = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        return {name: _value(properties.get(name, {}), definitions, depth + 1) for name in required}
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    if kind == "array" and schema.get("minItems"):
        return [_value(schema.get("items", {}), definitions, depth + 1)] * schema["minItems"]
    return _PLAIN.get(kind)
