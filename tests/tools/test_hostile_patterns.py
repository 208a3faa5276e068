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


@pytest.mark.parametrize(
    "pattern",
    [
        "|".join(["a" * 100] * 20_000),
        "(?R)?a",
        "(a(?1)?)",
        "(?<x>a(?&x)?)",
        "a{100000000}",
        "a{000000000000100000000}",
        "((((a?){100}){100}){100}){100}",
        "[(]a{300}[)]{300}(b{300}){300}",
        "(a{1000})(?#x){1000}",
        "(?x)a{1000} #\n{1000}",
        "a{1000}{1000}",
        "(?:abc|d){ 4000000000}",
    ],
)
def test_an_expression_that_takes_too_much_is_refused_in_words(pattern):
    with pytest.raises(BadExpression):
        Expression(Query(pattern=pattern)).rows("x", "a" * 3_000)


@pytest.mark.parametrize(
    "pattern", [r"\b[0-9a-f]{40}\b", r"(\d{1,3}\.){3}\d{1,3}", r"def \w+\(.{0,200}\):", "(?i)todo", "(?:ab){2,5000}"]
)
def test_an_expression_like_most_is_used(pattern):
    assert Expression(Query(pattern=pattern)).rows("x", "a") == []
