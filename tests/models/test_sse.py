"""The parser of server-sent events."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsvc.models.sse import EventParser, TooLong

LINES = st.lists(
    st.one_of(
        st.binary(max_size=12).map(lambda data: b"data: " + data.replace(b"\n", b"").replace(b"\r", b"")),
        st.sampled_from([b"", b": comment", b"event: error", b"id: 1", b"data", b"data:x", b"data:", b"retry: 5"]),
    ),
    max_size=30,
)


def parse(stream, cuts=()):
    parser = EventParser(1 << 20)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [event for start, end in pairwise(edges) for event in parser.feed(stream[start:end])]


def feed(parser, pieces):
    return [event for piece in pieces for event in parser.feed(piece)]


@given(LINES, st.sampled_from([b"\n", b"\r\n"]), st.lists(st.integers(min_value=0, max_value=1000), max_size=20))
def test_cuts_change_nothing(lines, ending, cuts):
    stream = b"".join(line + ending for line in lines)

    assert parse(stream, cuts) == parse(stream)


@given(LINES)
def test_line_endings_change_nothing(lines):
    assert parse(b"".join(line + b"\r\n" for line in lines)) == parse(b"".join(line + b"\n" for line in lines))


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
        (b"data:one\n\n", [b"one"]),
        (b"data:  one\n\n", [b" one"]),
        (b"data: one\ndata: two\n\n", [b"one\ntwo"]),
        (b": ping\n\ndata: one\n\n", [b"one"]),
        (b"event: x\nid: 4\ndata: one\n\n", [b"one"]),
        (b"data: unfinished\n", []),
        (b"\n\n\n", []),
        (b"database: no\n\n", []),
    ],
)
def test_an_event_is_the_data_of_its_lines(stream, events):
    assert parse(stream) == events
    assert parse(stream, range(len(stream))) == events


@pytest.mark.parametrize("filler", [b"x" * 10, b"data: x\n", b"\r", b": x"])
def test_an_endless_event_is_refused(filler):
    parser = EventParser(1000)

    with pytest.raises(TooLong):
        feed(parser, [filler] * 2000)


def test_many_events_are_not_one_long_one():
    parser = EventParser(100)

    events = [event for _ in range(1000) for event in [*parser.feed(b"data: 012345"), *parser.feed(b"6789\n\n")]]

    assert events == [b"0123456789"] * 1000


def test_an_event_may_be_as_long_as_the_limit_in_pieces():
    parser = EventParser(1006)

    pieces = [parser.feed(b"data: "), *(parser.feed(b"x" * 100) for _ in range(10)), parser.feed(b"\n\n")]

    assert pieces[-1] == [b"x" * 1000]
