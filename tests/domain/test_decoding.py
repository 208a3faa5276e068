"""What is wrong with JSON from outside is said field by field."""

from typing import Annotated, Any

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType

from agentsvc.domain.decoding import decode, problems
from agentsvc.domain.errors import BadRequest, Invalid


class Cat(Struct, tag_field="kind", tag="cat"):
    lives: Annotated[int, Meta(ge=0, le=9)] = 9


class Dog(Struct, tag_field="kind", tag="dog"):
    name: str


class Home(Struct, forbid_unknown_fields=True):
    owner: str
    pets: list[Cat | Dog] = []
    favourite: Cat | Dog | None = None
    rooms: dict[str, int] = {}
    street: str | None | UnsetType = UNSET

    def __post_init__(self) -> None:
        if len(self.pets) > 2:
            raise ValueError("pets[2]: two are enough")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"owner": 1, "attic": true}', {"owner": "Expected `str`, got `int`", "attic": "unknown field"}),
        (b"{}", {"owner": "required"}),
        (b"[]", {"body": "Expected `object`, got `array`"}),
        (b'{"owner": "o", "pets": 3}', {"pets": "Expected `array`, got `int`"}),
        (
            b'{"owner": "o", "pets": [{"kind": "cat", "lives": 10}, {"kind": "dog"}]}',
            {"pets[0].lives": "Expected `int` <= 9", "pets[1].name": "required"},
        ),
        (b'{"owner": "o", "pets": [{"kind": "fish"}]}', {"pets[0].kind": "Invalid value 'fish'"}),
        (b'{"owner": "o", "favourite": {"kind": "dog", "name": 3}}', {"favourite.name": "Expected `str`, got `int`"}),
        (b'{"owner": "o", "favourite": 3}', {"favourite": "Expected `object | null`, got `int`"}),
        (b'{"owner": "o", "rooms": {"attic": "big"}}', {"rooms[...]": "Expected `int`, got `str`"}),
        (b'{"owner": "o", "street": 3}', {"street": "Expected `str | null`, got `int`"}),
        (
            b'{"owner": "o", "pets": [{"kind": "cat"}, {"kind": "cat"}, {"kind": "cat"}]}',
            {"pets[2]": "two are enough"},
        ),
    ],
)
def test_every_bad_field_is_named(value: bytes, expected: dict[str, str]):
    with pytest.raises(Invalid) as refused:
        decode(value, Home)

    assert {problem.path: problem.message for problem in refused.value.problems} == expected


def test_what_is_right_is_decoded():
    home = decode(b'{"owner": "o", "favourite": {"kind": "dog", "name": "Rex"}}', Home)

    assert home == Home(owner="o", favourite=Dog("Rex"))


@pytest.mark.parametrize("raw", [b"", b"{", b'{"a": "\\ud800"}', b"\xff", b'"\xff"', b"[" * 100_000])
def test_what_is_not_json_is_a_bad_request(raw: bytes):
    with pytest.raises(BadRequest):
        decode(raw, Home)


def test_a_flood_of_problems_is_cut_off():
    value: Any = {"owner": "o", "pets": [3] * 10_000}

    assert len(list(problems(value, Home))) == 100
