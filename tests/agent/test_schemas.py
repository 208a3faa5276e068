"""Signatures as JSON Schemas, and JSON as arguments."""

import functools
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from types import ModuleType
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from agentsvc.agent.arguments import BadArguments
from agentsvc.agent.schemas import Signature


class Unit(Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


class Place(Struct):
    """Somewhere."""

    title: str
    inside: "Place | None" = None


@dataclass
class Point:
    x: float
    y: float = 0.0


class Window(TypedDict):
    start: datetime
    end: NotRequired[datetime]


def keys(schema: Any) -> set[str]:
    """Every key anywhere in a schema, names of properties and definitions left out."""
    if isinstance(schema, list):
        return set().union(*map(keys, schema))
    if not isinstance(schema, dict):
        return set()
    named = [each for name in ("properties", "$defs") for each in schema.get(name, {}).values()]
    rest = [value for key, value in schema.items() if key not in ("properties", "$defs", "default", "enum")]
    return set(schema).union(*map(keys, [*named, *rest]))


def test_simple_types_defaults_and_descriptions_become_a_closed_schema():
    async def weather(city: str, days: int = 3, exact: bool | None = None) -> str:
        """Look up the weather.

        Args:
            city: Name of the city.
            days: How far ahead.
        """
        return f"{city} {days} {exact}"

    signature = Signature(weather)

    assert signature.name == "weather"
    assert signature.awaits
    assert signature.description == "Look up the weather."
    assert signature.schema == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Name of the city."},
            "days": {"type": "integer", "description": "How far ahead.", "default": 3},
            "exact": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_annotated_constrains_and_describes_before_the_docstring_does():
    def draw(
        count: Annotated[int, Meta(ge=1, le=9, description="How many.")],
        deck: Annotated[str, "Which deck."] = "main",
        seat: Annotated[int, Meta(ge=0)] = 0,
    ) -> None:
        """Draw.

        :param count: not this
        :param seat: Whose seat.
        """

    properties = Signature(draw).schema["properties"]

    assert properties["count"] == {"type": "integer", "minimum": 1, "maximum": 9, "description": "How many."}
    assert properties["deck"] == {"type": "string", "description": "Which deck.", "default": "main"}
    assert properties["seat"] == {"type": "integer", "minimum": 0, "description": "Whose seat.", "default": 0}


def test_user_types_become_definitions_without_titles():
    def go(
        *,
        place: Place,
        points: list[Point],
        window: Window,
        by: dict[str, Unit],
        how: Literal["walk", "swim"] = "walk",
        unit: Unit = Unit.CELSIUS,
    ) -> None: ...

    schema = Signature(go).schema

    assert set(schema["$defs"]) == {"Place", "Point", "Window", "Unit"}
    assert schema["properties"]["unit"] == {"$ref": "#/$defs/Unit", "default": "c"}
    assert schema["$defs"]["Place"]["properties"]["title"] == {"type": "string"}
    assert "title" not in keys(schema)
    jsonschema_rs.Draft202012Validator(schema).validate(
        {"place": {"title": "x", "inside": {"title": "y"}}, "points": [{"x": 1}], "window": {"start": "…"}, "by": {}}
    )


def test_lazy_annotations_are_resolved():
    source = """
        from __future__ import annotations
        from datetime import datetime

        def at(when: datetime, then: list[Node]) -> None: ...

        from msgspec import Struct

        class Node(Struct):
            n: int
    """
    module = ModuleType("lazy")
    exec(textwrap.dedent(source), module.__dict__)  # noqa: S102 - lazy annotations belong to a module

    properties = Signature(module.at).schema["properties"]

    assert properties["when"]["type"] == "string"
    assert properties["then"] == {"type": "array", "items": {"$ref": "#/$defs/Node"}}


def test_what_a_model_cannot_give_is_left_out():
    class Shop:
        def buy(self, item: str, *rest: int, _agent_state: object = None, **more: int) -> None: ...

        @classmethod
        def sell(cls, item: str) -> None: ...

    def secret(key: str, item: str) -> None: ...

    assert list(Signature(Shop().buy, hidden=("_agent_state",)).schema["properties"]) == ["item"]
    assert list(Signature(Shop.buy, hidden=("_agent_state",)).schema["properties"]) == ["item"]
    assert list(Signature(Shop.sell).schema["properties"]) == ["item"]
    assert list(Signature(functools.partial(secret, key="k")).schema["properties"]) == ["item"]
    assert list(Signature(functools.partial(secret, "k")).schema["properties"]) == ["item"]


def test_objects_that_can_be_called_are_functions_too():
    class Adder:
        async def __call__(self, one: int) -> int:
            """Add one."""
            return one + 1

    signature = Signature(Adder())

    assert (signature.name, signature.description, signature.awaits) == ("Adder", "Add one.", True)
    assert list(signature.schema["properties"]) == ["one"]


def test_a_parameter_may_be_called_anything():
    def odd(*, title: str, __x: int, class_: str, p0: int = 1, _y: int = 2) -> None: ...

    signature = Signature(odd)

    assert list(signature.schema["properties"]) == ["title", "__x", "class_", "p0", "_y"]
    assert signature.convert({"title": "t", "__x": 1, "class_": "c", "p0": 5}) == {
        "title": "t",
        "__x": 1,
        "class_": "c",
        "p0": 5,
    }


def test_a_default_that_is_not_json_is_known_to_the_function_alone():
    def wait(until: Any = object(), names: list[str] = ["a"]) -> None: ...  # noqa: B006, B008

    signature = Signature(wait)

    assert signature.schema["properties"]["until"] == {}
    assert signature.schema["properties"]["names"]["default"] == ["a"]
    assert signature.convert({}) == {}


def takes_a_callable(f: Callable[[], int]) -> None: ...


def takes_by_position(a: int, /) -> None: ...


def takes_the_unknown(a: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize("function", [takes_a_callable, takes_by_position, takes_the_unknown])
def test_a_function_that_cannot_be_described_is_refused(function):
    with pytest.raises(TypeError, match=function.__name__):
        Signature(function)


def test_json_becomes_the_annotated_types():
    def go(*, place: Place, point: Point, window: Window, unit: Unit, when: datetime, raw: bytes, n: int) -> None: ...

    arguments = Signature(go).convert(
        {
            "place": {"title": "x", "inside": {"title": "y"}},
            "point": {"x": 1},
            "window": {"start": "2026-01-02T03:04:05Z"},
            "unit": "f",
            "when": "2026-01-02T03:04:05Z",
            "raw": "aGk=",
            "n": 2.0,
        }
    )

    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert arguments == {
        "place": Place("x", Place("y")),
        "point": Point(1.0),
        "window": {"start": at},
        "unit": Unit.FAHRENHEIT,
        "when": at,
        "raw": b"hi",
        "n": 2,
    }


def test_what_cannot_be_converted_is_told_with_its_path():
    def go(steps: list[Window]) -> None: ...

    with pytest.raises(BadArguments, match=r"Invalid RFC3339.*\$\.steps\[0\]\.start"):
        Signature(go).convert({"steps": [{"start": "tomorrow"}]})


@given(
    st.fixed_dictionaries(
        {
            "text": st.text(),
            "number": st.floats(allow_nan=False, allow_infinity=False),
            "flags": st.lists(st.booleans()),
        },
        optional={"when": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat), "note": st.none() | st.text()},
    )
)
@settings(deadline=None)
def test_what_matches_the_schema_can_be_converted(arguments):
    def take(
        text: str, number: float, flags: list[bool], when: datetime | None = None, note: str | None = None
    ) -> None: ...

    signature = Signature(take)

    jsonschema_rs.Draft202012Validator(signature.schema).validate(arguments)
    assert set(signature.convert(arguments)) == set(arguments)
