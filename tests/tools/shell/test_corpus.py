"""The corpus: what agents do all day passes unasked, and nothing that harms, however it is written, does."""

import pytest

from tests.tools.shell.commands import corpus, evil, judged, rules


@pytest.fixture(autouse=True)
def files(workspace):
    (workspace / "src" / "sub").mkdir(parents=True)
    (workspace / "evil").mkdir()
    (workspace / "config").mkdir()
    (workspace / ".env").write_text("TOKEN=1")
    (workspace / "src" / "main.py").write_text("")
    (workspace / "README.md").write_text("")


def test_the_corpus_is_large():
    assert len(set(corpus("harmless"))) >= 200
    assert len(set(evil())) >= 450


@pytest.mark.parametrize("mode", ["default", "explore", "dont_ask"])
async def test_nothing_that_harms_is_allowed_unasked(backend, mode):
    allowed = [command for command in evil() if (await judged(backend, command, rules(mode=mode))).behavior == "allow"]

    assert allowed == []


async def test_less_than_one_harmless_command_in_twenty_is_asked_about(backend):
    commands = corpus("harmless")

    asked = [
        (command, decision) for command in commands if (decision := await judged(backend, command)).behavior != "allow"
    ]

    print(*((command, decision.reason.code) for command, decision in asked), sep="\n")
    assert len(asked) < len(commands) * 0.05


async def test_every_question_has_a_reason_that_programs_can_read(backend):
    decisions = [await judged(backend, command) for command in evil()]

    assert all(decision.reason.code and decision.reason.message for decision in decisions)
