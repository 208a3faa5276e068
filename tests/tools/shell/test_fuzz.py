"""No text makes the judge fail, and nothing put into a harmless command passes unseen."""

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentsvc.tools.shell.lexer import read
from agentsvc.tools.shell.parse import parse
from agentsvc.tools.shell.reasons import REASONS
from tests.tools.shell.commands import corpus, evil, guessed, rules

_FRAGMENTS = [
    *("ls", "cat", "rm", "git", "find", "sed", "echo", "env", "bash", "-c", "-rf", "/", "~", "x", "a b", "--", "-n5"),
    *(" ", "\t", "\n", "\r", "\0", "\\", "'", '"', "`", "$", "$(", "${", "$((", ")", "}", "))", "(", "{", "[[", "]]"),
    *(
        ";",
        ";;",
        "&",
        "&&",
        "|",
        "||",
        "|&",
        "<",
        ">",
        ">>",
        "<<",
        "<<<",
        "<(",
        ">(",
        "2>&1",
        ">|",
        "&>",
        "<<E\n",
        "\nE\n",
    ),
    *("if", "then", "fi", "for", "in", "do", "done", "while", "case", "esac", "function", "f()", "time", "!", "coproc"),
    *("*", "?", "[a]", "{a,b}", "#", "=", "A=", "$'\\x72", "é", "\u202e", "\u00a0", "\ud800", "-delete", "--output=f"),
]
_shellish = st.lists(st.sampled_from(_FRAGMENTS), max_size=40).map("".join)
_mutated = st.builds(
    lambda line, cut, piece: line[: cut % (len(line) + 1)] + piece + line[cut % (len(line) + 1) :],
    st.sampled_from([*corpus("harmless"), *evil()]),
    st.integers(0, 200),
    _shellish,
)
_anything = st.text(max_size=300) | st.text(st.characters(), max_size=60) | _shellish | _mutated
_MODES = st.sampled_from(["default", "accept_edits", "explore", "bypass", "dont_ask"])
_HARMLESS = [command for command in corpus("harmless") if guessed(command).behavior == "allow"]
_INSERTED = ["; rm -rf x", " && rm x", " || rm x", " | sh", " & rm x", "\nrm x", "\r\nrm x", " $(rm x)", " `rm x`"]
_INSERTED += [
    " > /etc/x",
    ">x",
    " >> ~/.bashrc",
    " <(rm x)",
    " >(rm x)",
    " ${X}",
    " $X",
    " <<< $(rm x)",
    "\0",
    " | xargs rm",
]

_PREPENDED = ["rm -rf x; ", "rm x\n", "A=b ", "sudo ", "$(rm x) ", "(", "! ", "eval "]

relaxed = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@relaxed
@given(_anything, _MODES)
def test_no_text_makes_it_fail_or_hang(text, mode):
    started = time.perf_counter()

    decision = guessed(text, rules(mode=mode, deny=("rm:*",), ask=("git push *",), allow=("git add:*",)))

    assert decision.reason.code
    assert time.perf_counter() - started < 2


@relaxed
@given(st.sampled_from(_HARMLESS), st.sampled_from(_INSERTED), st.sampled_from(["default", "explore", "dont_ask"]))
def test_a_harmless_command_with_something_at_its_end_is_harmless_no_more(command, inserted, mode):
    assert guessed(command + inserted, rules(mode=mode)).behavior != "allow"


@relaxed
@given(
    st.sampled_from(_HARMLESS),
    st.sampled_from(_PREPENDED),
)
def test_so_is_one_with_something_at_its_start(command, inserted):
    assert guessed(inserted + command).behavior != "allow"


@relaxed
@given(_anything)
def test_what_is_understood_reads_the_same_twice(text):
    script = parse(text)

    if not script.doubts:
        assert read(text) == script.commands
    assert all(REASONS[doubt.code] is doubt for doubt in script.doubts)


@relaxed
@given(st.sampled_from(evil()), st.sampled_from(_HARMLESS), st.sampled_from(["; ", " && ", " | ", "\n", " || "]))
def test_harm_beside_harmless_commands_stays_harm(harm, harmless, joined):
    assert guessed(f"{harmless}{joined}{harm}").behavior != "allow"


@relaxed
@given(
    st.sampled_from([each for each in _HARMLESS if not set(each) & set("'\"\\")]), st.sampled_from(_INSERTED), st.data()
)
def test_so_is_one_with_something_in_its_middle(command, inserted, data):
    position = data.draw(st.integers(0, len(command)))

    assert guessed(command[:position] + inserted + command[position:]).behavior != "allow"
