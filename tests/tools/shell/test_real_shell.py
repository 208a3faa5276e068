"""What is understood is understood as bash does: words are compared with what a program really gets."""

import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentsvc.tools.shell.parse import parse
from tests.tools.shell.commands import corpus

_PIECES = ["a", "b c", "ü", "-n", "--x=y", "1", " ", "\t", "'", '"', "''", '""', "'a b'", '"c  d"', '"\\$"', '"\\a"']
_PIECES += ["\\", "\\'", '\\"', "\\\\", "\\ ", *"#=,{}!^%@:+~[]", "..", "{}", "]x"]


def given_to_a_program(command: str, directory) -> list[str]:
    """``command`` is understood: printing its words runs nothing of it."""
    script = f"set -f; printf '%s\\0' {command}"
    ended = subprocess.run(["bash", "-c", script], cwd=directory, capture_output=True, check=True, timeout=10)
    return ended.stdout.decode().split("\0")[:-1]


def plain(command: str) -> list[str] | None:
    """The words of a single command that is understood, and in which nothing is expanded or redirected."""
    script = parse(command)
    if script.doubts or len(script.commands) != 1 or script.commands[0].redirects:
        return None
    words = script.commands[0].words
    return None if any(word.home for word in words) else [word.text for word in words]


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=12).map("".join))
def test_made_up_words_are_the_same(tmp_path, command):
    words = plain(command)

    if words is not None and "\n" not in command:
        assert given_to_a_program(command.strip(), tmp_path) == words


@pytest.mark.parametrize("start", range(5))
def test_words_of_the_corpus_are_the_same(tmp_path, start):
    commands = [each for each in corpus("harmless")[start::5] if ";" not in each and plain(each) is not None]

    assert len(commands) > 30
    for command in commands:
        assert given_to_a_program(command, tmp_path) == plain(command)
