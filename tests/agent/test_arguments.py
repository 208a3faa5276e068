"""Arguments as models write them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentsvc.agent import repair
from agentsvc.agent.arguments import (
    MAX_CHARS,
    ArgumentSchema,
    BadArguments,
    BadSchema,
    parse,
    shorten,
)
from agentsvc.agent.limits import MAX_DEPTH

PIECES = [
    "{",
    "}",
    "[",
    "]",
    '"',
    "'",
    ":",
    ",",
    "\\",
    "a",
    "1",
    "-",
    ".",
    "e9",
    "true",
    "NaN",
    " ",
    "\n",
    "//",
    "/*",
    "`",
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("text", ["", "  \n", "{}", " { } "])
def test_no_text_is_no_arguments(text):
    assert parse(text) == {}


@given(st.dictionaries(st.text(), JSON))
@settings(deadline=None)
def test_valid_json_comes_through_as_it_is(arguments):
    assert parse(json.dumps(arguments)) == arguments


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": "x",}',
        '{"a": 1, "b": "x"',
        "{'a': 1, 'b': 'x'}",
        '{a: 1, b: "x"}',
        '```json\n{"a": 1, "b": "x"}\n```',
        'Here you are: {"a": 1, "b": "x"}',
        '\ufeff{"a": 1, "b": "x"}',
    ],
)
def test_near_misses_are_repaired(text):
    assert parse(text) == {"a": 1, "b": "x"}


@pytest.mark.parametrize("text", ["null", "true", "1.5", '"text"', "[]", '[{"a": 1}]'])
def test_json_that_is_no_object_is_refused(text):
    with pytest.raises(BadArguments, match="must be a JSON object"):
        parse(text)


@pytest.mark.parametrize("text", ["hello", "[1, 2", '{"a": 1}{"b": 2}', "}", "\ud800"])
def test_what_cannot_be_repaired_is_refused_with_the_reason(text):
    with pytest.raises(BadArguments, match=r"cannot be read: .+"):
        parse(text)


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"a": 1e999}', '{"a": NaN}', '{"a": ' + "9" * 5_000 + "}"])
def test_whatever_is_accepted_can_be_stored(text):
    try:
        arguments = parse(text)
    except BadArguments:
        return

    assert json.loads(json.dumps(arguments, allow_nan=False).encode()) == arguments


@pytest.mark.parametrize("opening", ['{"a":', "[", '{"a":[', '{"a":{"b":[{"c":'])
@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 1_000, 20_000, 150_000])
@pytest.mark.parametrize("closed", [True, False])
def test_deep_nesting_is_refused_however_it_is_written(opening, levels, closed):
    closing = "".join({"{": "}", "[": "]"}.get(sign, "") for sign in reversed(opening))
    text = opening * levels + ("1" + closing * levels if closed else "")

    with pytest.raises(BadArguments):
        parse(text)


def test_depth_is_counted_in_levels_not_in_brackets():
    brackets_in_text = json.dumps({"a": "[" * 5_000})
    wide = json.dumps({"a": [{} for _ in range(5_000)]})

    assert parse(brackets_in_text) == json.loads(brackets_in_text)
    assert parse(wide) == json.loads(wide)


def test_long_input_is_taken_as_it_is_or_not_at_all():
    fits = json.dumps({"a": "x" * (MAX_CHARS - 20)})
    too_long = json.dumps({"a": "x" * MAX_CHARS})
    broken = '{"a": "' + "x" * repair.MAX_CHARS

    assert len(parse(fits)["a"]) == MAX_CHARS - 20
    with pytest.raises(BadArguments, match=str(MAX_CHARS)):
        parse(too_long)
    with pytest.raises(BadArguments, match="cannot be read"):
        parse(broken)


def test_a_repair_that_takes_too_long_is_given_up():
    hostile = ("]{" * 40_000)[: repair.MAX_CHARS]

    with pytest.raises(ValueError, match="cannot be repaired") as error:
        repair.repair(hostile)
    with pytest.raises(BadArguments, match="cannot be read"):
        parse(hostile)

    assert isinstance(error.value.__cause__, TimeoutError)


@pytest.mark.parametrize("line", ["plain text ", 'def f(x): return {"k": x["y"]} # hi\\n', "{'a': [1, 2]} // "])
def test_a_long_text_is_repaired_where_little_is_wrong(line):
    text = '{"a": "' + (line * 6_000)[: repair.MAX_CHARS - 100]

    assert len(parse(text)["a"]) > repair.MAX_CHARS - 10_000


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=300).map("".join)))
@settings(max_examples=500, deadline=None)
def test_no_text_raises_anything_else(text):
    try:
        arguments = parse(text)
    except BadArguments:
        return

    assert isinstance(arguments, dict)


@given(st.dictionaries(st.text(), JSON), st.integers(0), st.integers(0), st.sampled_from(PIECES))
@settings(deadline=None)
def test_no_damage_raises_anything_else(arguments, place, length, piece):
    text = json.dumps(arguments)
    start = place % len(text)
    damaged = text[:start] + piece + text[start + length % 20 :]

    try:
        parse(damaged)
    except BadArguments:
        return


@given(st.sampled_from(PIECES), st.sampled_from(PIECES), st.sampled_from(["", "{", '{"a":"', '{"a":', "['"]))
@settings(max_examples=30, deadline=None)
def test_repair_ends_soon_for_anything_said_over_and_over(one, other, opening):
    text = opening + (one + other) * (repair.MAX_CHARS // len(one + other) - 10)

    try:
        parse(text)
    except BadArguments:
        return


def test_what_is_wrong_is_told_with_its_path():
    schema = ArgumentSchema(
        {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "steps": {"type": "array", "items": {"properties": {"n": {"type": "integer"}}}},
            },
            "required": ["name"],
            "additionalProperties": False,
        }
    )

    with pytest.raises(BadArguments) as error:
        schema.check({"steps": [{"n": 1}, {"n": "two"}], "extra": 1})

    lines = str(error.value).splitlines()
    assert 'steps[1].n: "two" is not of type "integer"' in lines
    assert '"name" is a required property' in lines
    assert any("'extra' was unexpected" in line for line in lines)
    schema.check({"name": "x"})


def test_only_the_first_problems_are_told_and_none_at_length():
    schema = ArgumentSchema({"type": "object", "additionalProperties": {"type": "integer"}})

    with pytest.raises(BadArguments) as error:
        schema.check({f"{'k' * 1_000}{n}": "v" * 100_000 for n in range(100)})

    assert len(str(error.value).splitlines()) == 5
    assert len(str(error.value)) < 5_000


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"properties": []},
        {"pattern": "("},
        {"const": object()},
        {1: 2},
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"$ref": "file:///etc/hostname"},
        {"$ref": "#/$defs/missing"},
        {"$schema": "https://example.com/dialect"},
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(schema):
    with pytest.raises(BadSchema):
        ArgumentSchema(schema)


@pytest.mark.parametrize("keyword", ["not", "properties", "anyOf"])
def test_a_deep_schema_is_refused(keyword):
    schema: dict[str, object] = {}
    for _ in range(100_000):
        schema = {keyword: [schema] if keyword == "anyOf" else schema}

    with pytest.raises(BadSchema, match="nested"):
        ArgumentSchema(schema)


def test_a_schema_that_unfolds_without_end_is_refused():
    definitions = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(50)}

    with pytest.raises(BadSchema, match="too large"):
        ArgumentSchema({"$ref": "#/$defs/d0", "$defs": definitions | {"d50": {"type": "string"}}})


def test_a_chain_of_references_does_not_exhaust_the_stack():
    definitions = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(20_000)}

    with pytest.raises(BadSchema):
        ArgumentSchema({"$ref": "#/$defs/d0", "$defs": definitions | {"d20000": {"type": "string"}}})


def test_explaining_a_mismatch_ends_soon_where_every_level_branches():
    branch = {"properties": {"a": {"$ref": "#"}}}
    schema = ArgumentSchema({"type": ["object", "string"], "anyOf": [branch, branch, branch]} | {"allOf": [branch] * 3})
    arguments: dict[str, object] = {"a": 1}
    for _ in range(MAX_DEPTH - 3):
        arguments = {"a": arguments}

    with pytest.raises(BadArguments, match="do not match"):
        schema.check(arguments)


def test_a_pattern_does_not_backtrack_for_ever():
    schema = ArgumentSchema({"type": "object", "additionalProperties": {"pattern": "^(a|aa)+\\1$"}})

    with pytest.raises(BadArguments):
        schema.check({"x": "a" * 200 + "b"})


def test_shortened_text_shows_both_ends():
    assert shorten("short") == "short"
    assert shorten("a" * 500 + "z" * 500, 10) == "aaaaa … (990 characters left out) … zzzzz"
