"""Edits that were written to hold up the server."""

import time

import pytest

from agentsvc.tools.replacements import MOST, Found, hint


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\n" * 1_000_000, "\n" * 50_000 + "b"),
        (b"a\r\n" * 500_000, "a\n" * 50_000 + "b"),
        (b"ab" * 1_000_000, "ab" * 50_000 + "c"),
    ],
)
def test_a_long_text_is_looked_for_in_linear_time(data, text):
    began = time.monotonic()

    assert Found.of(data, text).count == 0
    assert time.monotonic() - began < 3


def test_a_hint_takes_linear_time():
    began = time.monotonic()

    assert hint(b"a " * 1_000_000, "a " * 50_000 + "b")
    assert time.monotonic() - began < 3


def test_the_lines_of_very_many_occurrences_are_counted_for_the_first_ones_only():
    began = time.monotonic()
    found = Found.of(b"a\n" * 2_000_000, "a")

    assert found.count == MOST + 1
    assert found.lines(3) == [1, 2, 3]
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("data", "text", "spans"),
    [
        (b"a\r\nb\nc\r\n", "b\nc", [(3, 6)]),
        (b"a\r\nb\nc\r\n", "\n", [(1, 3), (4, 5), (6, 8)]),
        (b"a\r\nb\r\na\r\nb", "a\r\nb", [(0, 4), (6, 10)]),
        (b"aaaa", "aa", [(0, 2), (2, 4)]),
        (b"a\rb\r\n", "a\rb", [(0, 3)]),
    ],
)
def test_a_text_is_found_where_it_is_whatever_the_line_ends(data, text, spans):
    assert Found.of(data, text).spans == spans
