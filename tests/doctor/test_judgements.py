"""What is wrong and what is not, decided without a Redis."""

from typing import Any

import pytest

from agentsvc.bus.survey import Consumer, Standing
from agentsvc.doctor.judgements import of_consumer, of_key, of_standing
from agentsvc.doctor.records import created_us, listing_of, listings_of
from agentsvc.doctor.shapes import Named, named
from agentsvc.storage.survey import Listing, Look

FOR_EVER = -1


def standing(**fields: Any) -> Standing:
    plain = {"owner": "ada", "agent": "a1", "retired": "", "fence": "", "status": "", "held": False, "oldest": ""}
    return Standing(**{**plain, **fields})


@pytest.mark.parametrize(
    ("key", "look", "kind"),
    [
        (b"{s:a}:log", Look("stream", FOR_EVER), None),
        (b"{s:a}:log", Look("none", -2), None),
        (b"{s:a}:log", Look("string", FOR_EVER), "wrong-type"),
        (b"{s:a}:odd", Look("string", FOR_EVER), "unknown-key"),
        (b"{s:a}:odd", Look("none", -2), None),
        (b"{o:a}:wrote:" + b"0" * 32, Look("string", 60_000), None),
        (b"{o:a}:wrote:" + b"0" * 32, Look("string", FOR_EVER), "immortal-key"),
        (b"{o:a}:session:1", Look("string", FOR_EVER), None),
    ],
)
def test_a_key_has_a_shape_its_type_and_its_life(key: bytes, look: Look, kind: str | None) -> None:
    assert of_key(key, look) == kind


@pytest.mark.parametrize(
    ("seen", "recorded", "kind"),
    [
        (standing(), True, None),
        (standing(status="awaiting_permission"), True, None),
        (standing(status="running", held=True, oldest="1-0"), True, None),
        (standing(status="running"), True, "stuck-run"),
        (standing(status="running", oldest="1-0"), True, "stuck-run"),
        (standing(status="idle", oldest="1-0"), True, "stranded-inbox"),
        (standing(status="awaiting_permission", oldest="1-0"), True, "stranded-inbox"),
        (standing(), False, "unowned-session"),
        (standing(status="running", held=True), False, "unowned-session"),
        (standing(owner="", retired="ada"), True, "retired-session"),
        (standing(owner="", retired="ada"), False, "retired-session"),
    ],
)
def test_a_session_that_nobody_is_asked_to_run_may_stand_like_this(
    seen: Standing, recorded: bool, kind: str | None
) -> None:
    assert of_standing(seen, recorded=recorded) == kind


def test_a_worker_is_gone_when_it_was_silent_for_longer_than_it_may() -> None:
    assert of_consumer(Consumer(b"w1", 50_000, present=False), 50_000) is None
    assert of_consumer(Consumer(b"w1", 50_001, present=False), 50_000) == "silent-worker"
    assert of_consumer(Consumer(b"w1", 50_001, present=True), 50_000) is None


def key_of(name: bytes) -> Named:
    known = named(name)
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("index", "member", "record"),
    [
        (b"{o:a%3A}:session", b"s1", b"{o:a%3A}:session:s1"),
        (b"{o:a}:session:of:a1", b"s%7B", b"{o:a}:session:s%7B"),
        (b"{o:a}:pending-approval:of:s1", b"c1", b"{o:a}:approval:c1"),
        (b"{o:a}:answered-approval", b"s1:c1", b"{o:a}:approval:c1"),
    ],
)
def test_a_member_of_an_index_names_a_record(index: bytes, member: bytes, record: bytes) -> None:
    assert listing_of(key_of(index), member) == Listing(index, member, record)


def test_a_record_is_listed_with_its_kind_and_with_what_it_lies_within() -> None:
    key = b"{o:a}:session:s%7B"

    assert listings_of(key_of(key), {"agent_id": "a:1"}) == [
        Listing(b"{o:a}:session", b"s%7B", key),
        Listing(b"{o:a}:session:of:a%3A1", b"s%7B", key),
    ]
    assert listings_of(key_of(key), {}) == [Listing(b"{o:a}:session", b"s%7B", key)]


@pytest.mark.parametrize("at", ["never", 7, None, "9999-12-31T23:59:59-23:59"])
def test_a_record_that_does_not_say_when_it_was_made_is_the_oldest(at: object) -> None:
    assert created_us({"created_at": at}) in (0, 253402387139000000)
    assert created_us({"created_at": "1970-01-01T00:00:01+00:00"}) == 1_000_000
