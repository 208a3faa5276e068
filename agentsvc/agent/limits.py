"""How much work JSON from outside can be: the extent of a value, and the weight of a schema."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import unquote

MAX_DEPTH = 100
"""Levels of nesting. Far below what the stack of a thread holds, for parsers and validators that recurse."""

_ELSEWHERE = ("$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef")


class Extent(NamedTuple):
    values: int
    depth: int


class Weight(NamedTuple):
    """``nodes`` counts the schema with every reference written out. How often a recursive one applies, the data say."""

    nodes: int
    recursive: bool


def measure(value: object) -> Extent:
    """How large a JSON value is. What lies deeper than one level below ``MAX_DEPTH`` is not counted."""
    values = depth = 0
    level = [value]
    while level and depth <= MAX_DEPTH:
        values += len(level)
        depth += 1
        level = [child for each in level for child in _children(each)]
    return Extent(values, depth)


def weigh(schema: Mapping[str, Any]) -> Weight:
    """How large a schema is with its references written out: a few lines of references to references can be millions.

    Raises ValueError for references that leave the schema or whose targets cannot be known beforehand.
    """
    scales = _Scales(schema)
    return Weight(scales.weigh(schema), scales.recursive)


def target(schema: Mapping[str, Any], reference: str) -> object:
    """What a JSON pointer in a URI fragment (RFC 6901, section 6) points to. Raises ValueError."""
    if not reference.startswith("#/"):
        raise ValueError(f"the reference {reference!r} leaves the schema")
    node: object = schema
    for step in unquote(reference[2:]).split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        try:
            node = _child(node, key)
        except (LookupError, TypeError, ValueError):
            raise ValueError(f"the reference {reference!r} points to nothing") from None
    return node


class _Scales:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._weights: dict[str, int] = {}
        self._open = {"#"}
        self.recursive = False

    def weigh(self, node: object) -> int:
        children = _children(node)
        weight = 1 + sum(self.weigh(child) for child in children)
        if isinstance(node, Mapping):
            schema = cast("Mapping[str, Any]", node)
            self._refuse_elsewhere(schema)
            reference = schema.get("$ref")
            if isinstance(reference, str):
                weight += self._follow(reference)
        return weight

    def _refuse_elsewhere(self, schema: Mapping[str, Any]) -> None:
        for keyword in _ELSEWHERE:
            if isinstance(schema.get(keyword), str):
                raise ValueError(f"{keyword} is not supported")
        if isinstance(schema.get("$id"), str) and schema is not self._root:
            raise ValueError("$id is supported only at the root")

    def _follow(self, reference: str) -> int:
        if reference in self._open:
            self.recursive = True
            return 1
        if reference not in self._weights:
            self._open.add(reference)
            self._weights[reference] = self.weigh(target(self._root, reference))
            self._open.remove(reference)
        return self._weights[reference]


def _child(node: object, key: str) -> object:
    if isinstance(node, list):
        return cast("list[object]", node)[int(key)]
    return cast("Mapping[str, object]", node)[key]


def _children(value: object) -> Sequence[object]:
    if isinstance(value, Mapping):
        return list(cast("Mapping[object, object]", value).values())
    if isinstance(value, list | tuple):
        return cast("Sequence[object]", value)
    return ()
