"""Patterns that were written to hold up the server."""

import time

import pytest

from agentsvc.tools.matching import BadExpression, Expression
from agentsvc.tools.patterns import BadPattern, PathPattern
from agentsvc.tools.queries import Query


@pytest.mark.parametrize("glob", ["x" * 20_000 + "{a,b}" * 9, "{a,b}" * 40, "{1..100000000}", "y" * 200_000])
def test_a_pattern_that_expands_to_too_much_is_refused_at_once(glob):
    began = time.monotonic()

    with pytest.raises(BadPattern):
        PathPattern(glob)

    assert time.monotonic() - began < 2


def test_a_pattern_that_has_used_up_its_time_matches_no_more():
    pattern = PathPattern("**/a/**/a/**/a/**/a/b", seconds=0.1)
    with pytest.raises(BadPattern):
        pattern.matches("a/" * 1_500)

    with pytest.raises(BadPattern):
        pattern.matches("x")


@pytest.mark.parametrize("pattern", ["|".join(["a" * 100] * 20_000), "(?R)?a"])
def test_an_expression_that_takes_too_much_is_refused_in_words(pattern):
    with pytest.raises(BadExpression):
        Expression(Query(pattern=pattern)).rows("x", "a" * 3_000)
