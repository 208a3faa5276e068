"""When to try again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsvc.models.retries import Retry, is_transient, retry_after

NOON = 1_800_000_000.0


@given(st.integers(min_value=0, max_value=50), st.floats(min_value=0, max_value=1))
def test_the_wait_grows_to_its_longest_and_is_spread_over_all_of_it(attempt, chance):
    wait = Retry(attempts=100, base=0.5, longest=8).delay(attempt, None, chance)

    assert wait == chance * min(8, 0.5 * 2.0**attempt)


def test_the_last_attempt_is_the_last():
    assert Retry(attempts=3).delay(1, None, 0.5) is not None
    assert Retry(attempts=3).delay(2, None, 0.5) is None


def test_what_the_provider_asks_for_is_the_least():
    assert Retry(base=0.5).delay(0, 7.0, 0.0) == 7.0
    assert Retry(base=0.5).delay(0, 7.0, 1.0) == 7.5


def test_a_provider_that_asks_for_too_much_is_not_waited_for():
    assert Retry(patience=30).delay(0, 31.0, 0.0) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "Fri, 15 Jan 2027 08:00:10 GMT"}, 10.0),
        ({"retry-after": "Fri, 15 Jan 2021 08:00:10 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-4"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_the_header_is_read_as_seconds_or_as_a_date(headers, seconds):
    assert retry_after(headers, NOON) == seconds


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_what_may_go_away_is_tried_again(status):
    assert is_transient(status)


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 422])
def test_what_the_caller_did_wrong_is_not(status):
    assert not is_transient(status)
