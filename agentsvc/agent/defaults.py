"""The defaults of a JSON Schema, filled into a value that matches it."""

import copy
from collections.abc import Mapping
from typing import Any, cast

from agentsvc.agent.limits import target

_CHOICES = ("anyOf", "oneOf")


def filled(value: object, schema: Mapping[str, Any]) -> Any:
    """The value with what it leaves out where a schema names a default. References are followed inside the schema."""
    return _Filler(schema).fill(value, schema)


class _Filler:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root

    def fill(self, value: object, schema: object) -> Any:
        node = self._resolved(schema)
        if isinstance(value, dict):
            return self._object(cast("dict[str, Any]", value), self._of_object(node))
        if isinstance(value, list):
            return [self.fill(item, node.get("items")) for item in cast("list[object]", value)]
        return value

    def _object(self, value: dict[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
        properties: Mapping[str, object] = node.get("properties", {})
        others = node.get("additionalProperties", {})
        given = {key: self.fill(item, properties.get(key, others)) for key, item in value.items()}
        resolved = {key: self._resolved(schema) for key, schema in properties.items() if key not in value}
        missing = {key: copy.deepcopy(each["default"]) for key, each in resolved.items() if "default" in each}
        return given | missing

    def _of_object(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """The alternative that an object must be meant by, where there is only one, such as in ``Point | None``."""
        choices = [self._resolved(each) for name in _CHOICES for each in node.get(name, ())]
        objects = [each for each in choices if "properties" in each]
        return objects[0] if len(objects) == 1 and "properties" not in node else node

    def _resolved(self, schema: object) -> Mapping[str, Any]:
        """What a reference points to, together with the keywords beside it."""
        node = _mapping(schema)
        seen: set[str] = set()
        while isinstance(reference := node.get("$ref"), str) and reference not in seen:
            seen.add(reference)
            beside = {key: each for key, each in node.items() if key != "$ref"}
            node = {**self._target(reference), **beside}
        return node

    def _target(self, reference: str) -> Mapping[str, Any]:
        # "#" is the whole, which the weighing of schemas takes apart by itself.
        found = self._root if reference == "#" else target(self._root, reference)
        return _mapping(found)


def _mapping(schema: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", schema) if isinstance(schema, Mapping) else {}
