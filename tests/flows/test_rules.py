"""What a user lays down for a session: it holds from the next run on."""

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.fakes.openai_scripts import Call
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.flows.rooms import bash, carried_out, changed, read, room, script, shell, working, write
from tests.questions import asked, confirmed, results, rule, text_of
from tests.service import Service, User

PROGRAM = (sys.executable, "-m", "tests.flows.workshop")
ARGUMENTS = ("--workspaces", "local")


async def test_a_mode_holds_from_the_next_run_on(ada: User, provider: OpenAIServer, service: Service) -> None:
    talk = await working(ada, provider, permission_mode="default")
    outcomes: dict[str, str] = {}
    for mode in ("explore", "accept_edits", "dont_ask", "bypass", "explore"):
        record = await changed(talk, permission_mode=mode)
        (result,) = await carried_out(talk, provider, write(f"{mode}-{len(outcomes)}.txt", "x"))
        outcomes[f"{mode}-{len(outcomes)}.txt"] = result.state
        assert record["permission_mode"] == record["state"]["permission_context"]["mode"] == mode

    assert list(outcomes.values()) == ["denied", "success", "success", "success", "denied"]
    there = {file.name for file in room(service, talk).glob("*.txt")}
    assert there == {name for name, state in outcomes.items() if state == "success"}


async def test_explore_mode_lets_read_and_nothing_else(
    ada: User, provider: OpenAIServer, service: Service, trace: Path
) -> None:
    talk = await working(ada, provider, permission_mode="explore")
    await carried_out(talk, provider, Call("Glob", {"pattern": "*"}))
    (room(service, talk) / "a.txt").write_text("seen")

    found = await carried_out(
        talk,
        provider,
        read("a.txt"),
        Call("Edit", {"file_path": "a.txt", "old_string": "seen", "new_string": "gone"}),
        Call("deploy", {"mark": "a"}),
        Call("once", {"mark": "a"}),
    )

    assert [each.state for each in found] == ["success", "denied", "denied", "denied"]
    assert (room(service, talk) / "a.txt").read_text() == "seen"
    assert lines(trace) == []


@shell
@pytest.mark.parametrize("mode", ["default", "accept_edits", "bypass", "dont_ask"])
async def test_what_a_rule_denies_does_not_run_however_it_is_wrapped(
    ada: User, provider: OpenAIServer, service: Service, mode: str
) -> None:
    talk = await working(ada, provider)
    await carried_out(talk, provider, write("a/x", "here"))
    allowed = rule("cd:*", "Bash")
    await changed(talk, permission_mode=mode, permission_rules=[rule("rm:*", "Bash", "deny"), allowed])

    commands = ("rm a/x", "cd a && rm x", "ls; rm -f a/x", "(cd a; rm x)", "echo $(rm a/x)", "bash -c 'rm a/x'")
    found = await carried_out(talk, provider, *map(bash, commands))

    assert [each.state for each in found] == ["denied"] * len(commands)
    assert (room(service, talk) / "a" / "x").read_text() == "here"


@shell
async def test_what_a_rule_allows_is_not_asked_about_until_the_rule_is_taken_back(
    ada: User, provider: OpenAIServer, service: Service
) -> None:
    talk = await working(ada, provider, permission_mode="default")
    await changed(talk, permission_rules=[rule("touch:*", "Bash"), rule()])
    (made,) = await carried_out(talk, provider, bash("touch made"))
    await changed(talk, permission_rules=[])
    script(provider, bash("touch again"))
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)

    assert (made.state, question.tool_calls[0].name) == ("success", "Bash")
    assert {file.name for file in room(service, talk).iterdir() if file.is_file()} == {"made"}


@shell
async def test_a_rule_that_came_with_an_answer_is_offered_by_the_question_and_holds_for_what_it_says(
    ada: User, provider: OpenAIServer, service: Service
) -> None:
    talk = await working(ada, provider, permission_mode="default")
    script(provider, bash("git init one"), bash("git init two"), bash("git help init > three"))
    async with talk.stream() as stream:
        await talk.told("go")
        first = await asked(stream, talk)
        offered = [msgspec.to_builtins(each) for each in first.tool_calls[0].suggested_rules]
        await talk.told(confirmed(first, rules=offered))
        second = await asked(stream, talk)
        await talk.told(confirmed(second))
        reply = await stream.reply()

    assert offered == [rule("git init:*", "Bash") | {"source": "suggested"}]
    assert "three" in second.tool_calls[0].input
    assert {each.name for each in room(service, talk).iterdir()} >= {"one", "two", "three"}
    assert len(results(reply)) == 3


async def test_what_is_asked_for_the_sake_of_safety_is_allowed_by_no_rule_and_by_no_clock(
    ada: User, provider: OpenAIServer, service: Service
) -> None:
    agent = await ada.agent(approval_config={"expires_after": 0.5, "default_answer": "approve"})
    rules = [rule(tool="Write"), rule("**", "Write")]
    talk = await ada.session(agent, await ada.credential(provider.url), permission_rules=rules)
    script(provider, write("plain.txt", "x"), write(".bashrc", "x"), write(".git/hooks/pre-commit", "x"))
    async with talk.stream() as stream:
        await talk.told("go")
        questions = [await asked(stream, talk) for _ in range(2)]
        reply = await stream.reply()

    reasons = [each.metadata["reasons"][each.tool_calls[0].id] for each in questions]
    assert [each.state for each in results(reply)] == ["success", "denied", "denied"]
    assert [(each["code"], each["safety"]) for each in reasons] == [("dangerous_path", True)] * 2
    assert {file.name for file in room(service, talk).iterdir() if file.name != ".agentsvc"} == {"plain.txt"}


async def test_a_mode_that_is_changed_while_a_question_waits_holds_for_its_answer(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await working(ada, provider, permission_mode="default")
    script(provider, Call("deploy", {"mark": "a"}))
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        await changed(talk, permission_mode="explore")
        await talk.told(confirmed(question))
        reply = await stream.reply()

    assert [each.state for each in results(reply)] == ["denied"]
    assert lines(trace) == []


async def test_rules_that_came_with_answers_stay_when_those_of_the_session_change(
    ada: User, provider: OpenAIServer, trace: Path
) -> None:
    talk = await working(ada, provider, permission_mode="default")
    script(provider, Call("deploy", {"mark": "a"}))
    async with talk.stream() as stream:
        await talk.told("go")
        await talk.told(confirmed(await asked(stream, talk), rules=[rule()]))
        await stream.reply()
    await talk.idle()
    await changed(talk, permission_rules=[rule(tool="once", behavior="deny")])

    found = await carried_out(talk, provider, Call("deploy", {"mark": "b"}), Call("once", {"mark": "b"}))
    await changed(talk, permission_rules=[rule(behavior="deny")])
    denied = await carried_out(talk, provider, Call("deploy", {"mark": "c"}))

    assert [each.state for each in (*found, *denied)] == ["success", "denied", "denied"]
    assert lines(trace) == ["deploy a", "deploy b"]


async def test_a_working_directory_is_read_unasked_but_the_workspace_is_never_left(
    ada: User, provider: OpenAIServer
) -> None:
    talk = await working(ada, provider, permission_mode="default")
    script(provider, read("/etc/hostname"))
    async with talk.stream() as stream:
        await talk.told("go")
        question = await asked(stream, talk)
        await talk.interrupt()
        await stream.reply()
    await talk.idle()
    provider.reset()
    await changed(talk, working_directories=["/etc"])

    (result,) = await carried_out(talk, provider, read("/etc/hostname"))

    assert question.metadata["reasons"][question.tool_calls[0].id]["code"] == "outside"
    assert (result.state, Path("/etc/hostname").read_text().strip() in text_of(result)) == ("error", False)


@pytest.mark.parametrize(
    "fields",
    [
        {"permission_mode": "root"},
        {"permission_mode": None},
        {"permission_rules": [rule("x" * 2001)]},
        {"permission_rules": [rule(tool="")]},
        {"permission_rules": [rule(behavior="maybe")]},
        {"permission_rules": [rule()] * 501},
        {"working_directories": [""]},
        {"working_directories": ["/a" * 2049]},
    ],
    ids=str,
)
async def test_what_cannot_be_laid_down_is_refused(ada: User, provider: OpenAIServer, fields: dict[str, Any]) -> None:
    talk = await working(ada, provider)

    answer = await ada.ask("PATCH", talk.path(), fields)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"].startswith(next(iter(fields)))
