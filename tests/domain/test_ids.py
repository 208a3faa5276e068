"""Ids."""

import re

from agentsvc.domain.ids import derived, new_id


def ids(*origin: str) -> list[str]:
    next_id = derived(*origin)
    return [next_id() for _ in range(3)]


def test_ids_are_32_hex_digits():
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in (new_id(), *ids("ada")))


def test_one_origin_gives_the_same_ids_again():
    assert ids("ada", "key") == ids("ada", "key")


def test_no_two_ids_are_the_same():
    made = [*ids("a", "bc"), *ids("ab", "c"), *ids("abc"), *ids("a", "b", "c"), *ids("", "abc"), *ids('a","b')]

    assert len(set(made)) == len(made)
