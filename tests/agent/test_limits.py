"""How much work JSON from outside can be."""

import pytest

from agentsvc.agent.limits import MAX_DEPTH, measure, weigh


def fan(levels: int) -> dict[str, object]:
    """A schema whose definitions refer to each other twice: twice as large with every level."""
    definitions: dict[str, object] = {
        f"d{level}": {"anyOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(levels)
    }
    return {"type": "object", "$ref": "#/$defs/d0", "$defs": definitions | {f"d{levels}": {"type": "string"}}}


def test_values_and_levels_are_counted():
    assert measure(1) == (1, 1)
    assert measure({"a": [1, {"b": None}], "c": {}}) == (6, 4)


def test_counting_ends_below_the_limit():
    deep: object = 1
    for _ in range(100_000):
        deep = [deep]

    assert measure(deep).depth == MAX_DEPTH + 1


def test_references_count_as_often_as_they_apply():
    assert weigh(fan(2)).nodes < 100
    assert weigh(fan(60)).nodes > 2**60


def test_a_schema_that_refers_to_itself_is_recursive():
    tree = {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#"}}}}
    through_a_definition = {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"items": {"$ref": "#/$defs/a~1b"}}}}

    assert weigh(tree).recursive
    assert weigh(through_a_definition).recursive
    assert not weigh(fan(3)).recursive


def test_a_reference_may_point_into_a_list():
    assert weigh({"anyOf": [{"type": "string"}, {"$ref": "#/anyOf/0"}]}).nodes > 0


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "other.json#/$defs/a"},
        {"$ref": "#name"},
        {"$ref": "#/$defs/missing"},
        {"$ref": "#/anyOf/7", "anyOf": [{}]},
        {"$ref": "#/type/deeper", "type": "object"},
        {"$dynamicRef": "#x"},
        {"properties": {"a": {"$id": "https://example.com/other"}}},
    ],
)
def test_a_reference_that_cannot_be_followed_beforehand_is_refused(schema):
    with pytest.raises(ValueError, match=r"reference|supported"):
        weigh(schema)


def test_properties_may_be_named_like_keywords():
    schema = {"type": "object", "properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}}

    assert not weigh(schema).recursive
