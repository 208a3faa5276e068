"""From text to simple commands, and to doubts."""

import time

import pytest

from agentsvc.tools.shell.parse import MAX_LENGTH, parse
from agentsvc.tools.shell.reasons import REASONS
from tests.tools.shell.commands import corpus, guessed


def words(command: str) -> list[tuple[str, ...]]:
    return [each.texts for each in parse(command).commands]


def doubts(command: str) -> set[str]:
    return {doubt.code for doubt in parse(command).doubts}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("ls", [("ls",)]),
        ("  ls\t-la  ", [("ls", "-la")]),
        (r"l\s 'a b' \"", [("ls", "a b", '"')]),
        ("""echo 'it'"'"'s' "a 'b'" "c\\"d" "e\\f" """, [("echo", "it's", "a 'b'", 'c"d', "e\\f")]),
        ("echo '' \"\" a''b", [("echo", "", "", "ab")]),
        ("find . -de\\lete", [("find", ".", "-delete")]),
        ("cat ü 'ß é'", [("cat", "ü", "ß é")]),
        ("a | b && c || d ; e", [("a",), ("b",), ("c",), ("d",), ("e",)]),
        ("a\n\nb\n", [("a",), ("b",)]),
        ("a 2>&1 >/dev/null b", [("a", "b")]),
        ("a b>c d", [("a", "b", "d")]),
        ("echo a#b x=y HEAD~1 HEAD@{1} ^x %y", [("echo", "a#b", "x=y", "HEAD~1", "HEAD@{1}", "^x", "%y")]),
        ("a 'b\nc'", [("a", "b\nc")]),
    ],
)
def test_words_are_what_the_program_gets(command, expected):
    assert words(command) == expected
    assert doubts(command) == set()


def test_operators_are_kept():
    assert [each.operator for each in parse("a | b && c || d ; e\nf").commands] == ["", "|", "&&", "||", ";", ";"]


def test_redirects_are_kept_with_their_targets():
    redirects = parse("a <in >>'out put' 2>err 2>&1").commands[0].redirects

    assert [(each.role, each.target.text) for each in redirects] == [
        ("read", "in"),
        ("write", "out put"),
        ("write", "err"),
    ]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("a $(b)", "substitution"),
        ("a `b`", "substitution"),
        ("a <(b)", "substitution"),
        ("a ${b}", "expansion"),
        ("a $((1))", "expansion"),
        ("a $b", "variable"),
        ("(a)", "subshell"),
        ("{ a; }", "group"),
        ("if a; then b; fi", "control_structure"),
        ("for a in b; do c; done", "control_structure"),
        ("while a; do b; done", "control_structure"),
        ("case a in b) c;; esac", "control_structure"),
        ("a() { b; }", "function"),
        ("[[ -f a ]]", "test_command"),
        ("a=b", "assignment"),
        ("a=b c", "assignment"),
        ("export a=b", "assignment"),
        ("a & b", "background"),
        ("a <<E\nb\nE", "heredoc"),
        ("a <<< b", "heredoc"),
        ("a # b", "comment"),
        ("a \\\n b", "line_continuation"),
        ("a $'b'", "ansi_quote"),
        ("a 'b", "unparsable"),
        ("a )", "unparsable"),
        ("a\0", "unprintable"),
        ("a\r\nb", "unprintable"),
        ("a\u00a0b", "unprintable"),
        ("a\u202eb", "unprintable"),
        ("a \ud800", "unprintable"),
        ("a {b,c}", "not_understood"),
        ("a {1..3}", "not_understood"),
        ("a >| b", "not_understood"),
        ("a |& b", "not_understood"),
        ("time a", "not_understood"),
        ("! a", "not_understood"),
        ("", "not_understood"),
        ("a" * (MAX_LENGTH + 1), "too_long"),
        ("a;" * 60, "too_complex"),
        ("a " + "b " * 1500, "too_complex"),
    ],
)
def test_what_is_not_understood_says_why(command, code):
    assert code in doubts(command)


def test_every_doubt_is_in_the_list_of_reasons():
    for command in (*corpus("harmful"), *corpus("obfuscated")):
        assert all(REASONS[doubt.code] == doubt for doubt in parse(command).doubts)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("if a; then rm x; fi", ("rm", "x")),
        ("for f in *; do rm $f; done", ("rm", "$f")),
        ("$(rm x)", ("rm", "x")),
        ('echo "`rm x`"', ("rm", "x")),
        ("f() { rm x; }", ("rm", "x")),
        ("A=$(rm x) ls", ("rm", "x")),
        ("cat <<E\n$(rm x)\nE", ("rm", "x")),
        ("diff <(rm x) y", ("rm", "x")),
        (r"$'\x72\155' x", ("rm", "x")),
    ],
)
def test_commands_are_found_inside_constructs(command, expected):
    assert expected in words(command)


@pytest.mark.parametrize(
    "command",
    [
        "(" * 5000,
        "$(" * 4000,
        "`" * 9999,
        "'" * 9999,
        '"$(' * 3000,
        "a|" * 4999,
        "{a," * 3000,
        "<<E " * 2500,
        "if a; then " * 900,
        "[[ ( " * 1900,
        "sed -n '" + " " * 9000 + "x'",
        "sed '" + "s/[/" * 2000 + "'",
        "awk '" + "NR==1 && " * 1000 + "'",
        "env " + "a " * 4900,
        "env " * 2400 + "ls",
        "git " + "-c " * 3000,
        "jq '" + "env " * 2000 + "'",
        "rm " + "-" * 9000,
        "rm -" + "r" * 9000 + "9",
        "chmod " + "o" * 9000,
        "sed '" + "   p;" * 1500 + "x'",
        "sed 's/" + "[^a]" * 2000 + "/'",
        "sed '" + "1   ,   2   !   p   ;   " * 400 + "x'",
        "awk '{print " + "$1   " * 1500 + "x}'",
        "awk '" + "   " * 3000 + "x'",
        "printf '" + "%" * 9001 + "'",
        "ps -o " + "pid" * 3000 + "x",
    ],
)
def test_hostile_input_is_judged_in_bounded_time(command):
    started = time.perf_counter()

    behavior = guessed(command).behavior

    assert behavior == "ask"
    assert time.perf_counter() - started < 5


def test_a_typical_command_is_judged_within_a_millisecond():
    command = "cd src && git log --oneline -n 5 | head -n 20 && grep -rn 'foo bar' ."
    guessed(command)

    def once() -> float:
        started = time.perf_counter()
        guessed(command)
        return time.perf_counter() - started

    assert min(once() for _ in range(100)) < 0.001
