"""Files and commands of an agent, as its user meets them."""

import os
from itertools import count

import pytest

from agentsvc.domain.events import STATE_UPDATED, Custom, ReplyEnd, ToolResultTextDelta
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Call, Calls
from tests.fakes.openai_server import OpenAIServer
from tests.flows.rooms import bash, carried_out, read, room, script, shell, working, write
from tests.questions import asked, confirmed, results, text_of
from tests.service import Service, User
from tests.workspaces.commands import running

ARGUMENTS = ("--workspaces", "local")

_numbers = count(1)


async def test_a_file_is_written_read_edited_and_found_again(
    ada: User, provider: OpenAIServer, service: Service
) -> None:
    talk = await working(ada, provider, permission_mode="default")
    edit = Call("Edit", {"file_path": "notes/a.txt", "old_string": "two", "new_string": "zwei"})
    script(provider, write("notes/a.txt", "one\ntwo\n"), edit, read("notes/a.txt"))
    async with talk.stream() as stream:
        await talk.told("go")
        for name in ("Write", "Edit"):
            question = await asked(stream, talk)
            assert question.tool_calls[0].name == name
            await talk.told(confirmed(question))
        reply = await stream.reply()
    again = await ada.session(talk.agent_id, await ada.credential(provider.url), permission_mode="dont_ask")
    found = await carried_out(again, provider, Call("Grep", {"pattern": "zwei"}), read("notes/a.txt"))

    written, edited, shown = results(reply)
    assert (room(service, talk) / "notes" / "a.txt").read_text() == "one\nzwei\n"
    assert {written.state, edited.state, shown.state} == {"success"}
    assert "+one" in written.metadata["diff"]
    assert "-two\n+zwei" in edited.metadata["diff"]
    assert "zwei" in text_of(shown)
    assert [each.state for each in found] == ["success"] * 2
    assert "notes/a.txt" in text_of(found[0])


async def test_an_agent_of_its_own_has_a_room_of_its_own(ada: User, mallory: User, provider: OpenAIServer) -> None:
    mine, other, foreign = [await working(user, provider) for user in (ada, ada, mallory)]
    await carried_out(mine, provider, write("a.txt", "ada's"))

    for talk in (other, foreign):
        (listed,) = await carried_out(talk, provider, Call("Glob", {"pattern": "**/*"}))
        assert "a.txt" not in text_of(listed)


@shell
async def test_a_command_is_carried_out_and_its_output_comes_while_it_runs(
    ada: User, provider: OpenAIServer, service: Service
) -> None:
    talk = await working(ada, provider)
    script(provider, bash("echo begun; until test -e go; do sleep 0.05; done; echo ended; exit 3"))
    async with talk.stream() as stream:
        await talk.told("go")
        while "begun" not in (await stream.until(ToolResultTextDelta)).delta:
            pass
        assert not any(isinstance(event, ReplyEnd) for event in stream.events)
        (room(service, talk) / "go").write_text("")
        reply = await stream.reply()

    (result,) = results(reply)
    assert (result.state, result.metadata["exit_code"]) == ("error", 3)
    assert text_of(result).startswith("begun\nended\n")


@shell
@pytest.mark.parametrize(
    "command",
    [
        "sleep {mark} & setsid sleep {mark} & echo begun; wait",
        "trap '' TERM INT HUP; echo begun; while :; do sleep {mark} & sleep {mark}; done",
        "(setsid nohup sleep {mark} >/dev/null 2>&1 &); echo begun; exec sleep {mark}",
    ],
)
async def test_a_stop_ends_everything_that_a_command_has_begun(ada: User, provider: OpenAIServer, command: str) -> None:
    mark = f"86401.{os.getpid():07d}{next(_numbers):05d}"
    talk = await working(ada, provider)
    provider.script(Calls([bash(command.format(mark=mark))]))
    async with talk.stream() as stream:
        await talk.told("go")
        while "begun" not in (await stream.until(ToolResultTextDelta)).delta:
            pass
        await wait_until(lambda: running(f"sleep\0{mark}"), "it runs")

        await talk.interrupt()
        reply = await stream.reply(within=2)
        await wait_until(lambda: not running(mark), "nothing of it is left", within=1)

    (result,) = results(reply)
    assert (reply.finished_reason, result.state) == ("interrupted", "interrupted")
    assert "begun" in text_of(result)
    await talk.idle()
    assert (await talk.messages())[-1] == reply


async def test_what_is_planned_is_told_as_it_changes(ada: User, provider: OpenAIServer) -> None:
    talk = await working(ada, provider, permission_mode="default")
    script(
        provider,
        Call("TaskCreate", {"subject": "Dig", "description": "A hole"}),
        Call("TaskUpdate", {"task_id": "1", "status": "in_progress"}),
        Call("TaskList"),
        Call("TaskUpdate", {"task_id": "1", "status": "completed"}),
    )
    async with talk.stream() as stream:
        await talk.told("go")
        reply = await stream.reply()

    told = [event.value for event in stream.events if isinstance(event, Custom) and event.name == STATE_UPDATED]
    assert [[each["state"] for each in value["tasks_context"]["tasks"]] for value in told] == [
        ["pending"],
        ["in_progress"],
        ["completed"],
    ]
    assert [each.state for each in results(reply)] == ["success"] * 4
    assert "1 [in_progress] Dig" in text_of(results(reply)[2])
