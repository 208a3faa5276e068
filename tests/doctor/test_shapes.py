"""One table says what every key is: it knows each key that the tables of the code know, and is taken in by none."""

import re
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsvc.bus import keys as live
from agentsvc.doctor.shapes import KINDS, SHAPES, is_ours, named
from agentsvc.domain.ids import OwnerId
from agentsvc.kv.client import Redis
from agentsvc.storage import keys as stored
from agentsvc.storage.collection import Collection
from agentsvc.storage.store import Records


def names_in(module: ModuleType) -> list[str]:
    """The keys in the table of a docstring, each written in full."""
    found: list[str] = []
    for cell in re.findall(r"^\| (``.*?) \|", module.__doc__ or "", re.MULTILINE):
        first, *others = re.findall(r"``(.+?)``", cell)
        tag, _, _ = first.partition("}")
        found += [first, *(f"{tag}}}{name}" if name.startswith(":") else first + name[1:] for name in others)]
    return found


@pytest.mark.parametrize("module", [live, stored])
def test_no_key_of_the_code_is_forgotten(module: ModuleType) -> None:
    names = names_in(module)

    assert len(names) > 6
    assert set(names) - {shape.name for shape in SHAPES} == set()


def test_every_shape_is_in_a_table() -> None:
    assert {shape.name for shape in SHAPES} == {*names_in(live), *names_in(stored)}


def test_every_kind_of_records_is_known(redis_url: str) -> None:
    records = Records(Redis(redis_url), OwnerId("ada"))
    collections = [each for each in vars(records).values() if isinstance(each, Collection)]

    assert {each._kind: each._within for each in collections} == KINDS


@given(session=st.text(min_size=1).filter(lambda name: name.isprintable()))
def test_the_keys_of_a_session_are_what_they_are_called(session: str) -> None:
    names = live.SessionKeys(session)

    for attribute in set(names.__slots__) - {"channel", "run", "head"}:
        key = named(getattr(names, attribute).encode())
        assert key is not None
        assert (key.shape.name, key.places) == (f"{{s:<sid>}}:{attribute}", {"sid": session})


@given(owner=st.text(min_size=1), record=st.text(min_size=1))
def test_the_keys_of_an_owner_are_what_they_are_called(owner: str, record: str) -> None:
    names = stored.KindKeys(OwnerId(owner), "session")

    found = [
        named(key.encode())
        for key in (names.index, names.record + stored.encoded(record), names.within + stored.encoded(record))
    ]

    assert [each and each.shape.name for each in found] == [
        "{o:<owner>}:<kind>",
        "{o:<owner>}:<kind>:<id>",
        "{o:<owner>}:<kind>:of:<id>",
    ]
    assert [each and each.places.get("owner") for each in found] == [owner] * 3
    assert [each and each.places.get("id") for each in found] == [None, record, record]


@pytest.mark.parametrize(
    "key",
    [
        b"{s:}:run",
        b"{s:a b}:run",
        b"{s:a}:run\n",
        b"{s:a}:RUN",
        b"{s:%2f}:run",
        b"{s:%41}:run",
        b"{s:%FF}:run",
        b"{s:%ED%A0%80}:run",
        b"{s:a}}:run",
        b"{s:{s:a}}:run",
        b"{q:00}:runs",
        b"{q:99999}:runs",
        b"{o:a}:secret:1",
        b"{o:a}:wrote:",
        b"{o:a}:session:x:y",
        b"{o:\xff\x00}:session",
        b"{o:" + b"a" * 100_000,
    ],
)
def test_what_is_written_otherwise_has_no_shape(key: bytes) -> None:
    assert named(key) is None
    assert is_ours(key)


@pytest.mark.parametrize("key", [b"", b"celery", b"o:a:session", b"{user}:1", b"{x:1}:run", b" {s:1}:run"])
def test_what_others_keep_is_not_ours(key: bytes) -> None:
    assert not is_ours(key)


@given(key=st.binary(max_size=200).map(lambda rest: b"{s:" + rest))
def test_any_bytes_may_be_a_key(key: bytes) -> None:
    known = named(key)

    assert known is None or live.of_session(known.places["sid"]).channel.encode() in key
