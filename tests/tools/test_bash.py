"""Bash in a real workspace."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path

import anyio
import pytest

from agentsvc.agent.backend import Exit, Output
from agentsvc.agent.tool import ToolChunk
from agentsvc.tools.bash import Bash
from agentsvc.workspaces.local import LocalBackend
from tests.tools.calls import judged, rules, run, text


@pytest.fixture
def bash(backend):
    async def ran(command: str, **more) -> ToolChunk:
        return await run(Bash(backend), command=command, **more)

    return ran


class Scripted(LocalBackend):
    """Gives this output whatever is run."""

    def __init__(self, root: Path, *outputs: Output | Exit) -> None:
        super().__init__(root)
        self.outputs = outputs

    async def exec(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Output | Exit]:
        for output in self.outputs:
            yield output


def is_running(marker: str) -> bool:
    """Whether a sleep of so many seconds is there."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            arguments = entry.read_bytes().split(b"\0")
            if marker.encode() in arguments and b"sleep" in arguments[0]:
                return True
    return False


async def test_output_and_exit_code_are_told(bash):
    chunk = await bash("echo out; printf err >&2")

    assert chunk.state == "success"
    assert chunk.metadata == {"exit_code": 0, "timed_out": False}
    assert sorted(text(chunk).split("\n")) == ["(exit code 0)", "err", "out"]


async def test_a_command_that_fails_is_an_error(bash):
    chunk = await bash("echo before; exit 7", description="fails")

    assert chunk.state == "error"
    assert chunk.metadata == {"exit_code": 7, "timed_out": False}
    assert text(chunk) == "before\n(exit code 7)"


async def test_it_runs_in_the_root_and_nothing_stays(workspace, bash):
    (workspace / "sub").mkdir()

    await bash("cd sub; export X=1; Y=2")
    chunk = await bash("pwd; echo [$X$Y]")

    assert text(chunk) == f"{workspace}\n[]\n(exit code 0)"


async def test_bash_runs_it_where_there_is_one(bash):
    assert text(await bash("[[ a == a ]] && echo ${BASH_VERSION:0:0}yes")) == "yes\n(exit code 0)"


@pytest.mark.parametrize("command", ["-x", "--version", "--help", "-c"])
async def test_a_command_that_starts_with_a_hyphen_is_no_option(bash, command):
    chunk = await bash(command)

    assert chunk.metadata["exit_code"] == 127


async def test_quotes_and_line_ends_reach_the_shell_as_they_are(bash):
    assert text(await bash("printf '%s|' \"a b\" 'c\"d' '$1'\necho é")) == 'a b|c"d|$1|é\n(exit code 0)'


async def test_output_is_given_while_the_command_runs(workspace, backend):
    chunks = Bash(backend).call(command="echo first; while [ ! -e go ]; do sleep 0.02; done; echo second")
    with anyio.fail_after(10):
        first = await anext(chunks)
        (workspace / "go").touch()
        rest = [chunk async for chunk in chunks]

    assert text(first) == "first\n"
    assert "".join(map(text, rest)) == "second\n(exit code 0)"


async def test_much_output_is_cut_but_read_to_its_end(bash, workspace):
    chunk = await bash("yes é | head -n 100000; touch done")

    assert text(chunk) == "é\n" * 15_000 + "(170000 more characters are left out.)\n(exit code 0)"
    assert (workspace / "done").exists()


async def test_characters_in_pieces_are_put_together(workspace):
    euro = "€".encode()
    pieces: list[Output | Exit] = [
        Output("stdout", b"a" + euro[:1]),
        Output("stderr", euro[:2]),
        Output("stdout", euro[1:]),
        Output("stderr", euro[2:] + b"b"),
        Output("stdout", b"\xff" + euro[:2]),
        Exit(code=0),
    ]

    chunk = await run(Bash(Scripted(workspace, *pieces)), command="x")

    assert text(chunk) == "a€€b\ufffd\ufffd\n(exit code 0)"


async def test_a_timeout_kills_everything_and_is_an_error(bash, until):
    marker = f"10{os.getpid()}.25"

    with anyio.fail_after(10):
        chunk = await bash(f"echo begun; (sleep {marker} &) ; sleep {marker}", timeout=500)

    assert chunk.state == "error"
    assert chunk.metadata["timed_out"] is True
    assert text(chunk).startswith("begun\n(It was stopped after 500 ms.)\n(exit code ")
    await until(lambda: not is_running(marker), "all is killed")


async def test_a_child_that_keeps_the_output_open_does_not_hold_it_up(bash, until):
    marker = f"20{os.getpid()}.25"

    with anyio.fail_after(10):
        chunk = await bash(f"sleep {marker} & echo done")

    assert text(chunk) == "done\n(exit code 0)"
    await until(lambda: not is_running(marker), "all is killed")


async def test_a_cancellation_kills_everything(backend, until):
    marker = f"30{os.getpid()}.25"
    task = asyncio.create_task(run(Bash(backend), command=f"sleep {marker} & sleep {marker}"))
    await until(lambda: is_running(marker), "it runs")

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await until(lambda: not is_running(marker), "all is killed")


async def test_p6_secrets_of_the_server_are_not_in_the_environment(bash, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-4711")

    assert "canary-4711" not in text(await bash("env; set; cat /proc/self/environ"))


@pytest.mark.parametrize("mode", ["default", "accept_edits"])
async def test_what_only_reads_the_workspace_runs_unasked(workspace, backend, mode):
    (workspace / "a.txt").touch()

    assert (await judged(Bash(backend), rules("Bash", mode=mode), command="cat a.txt | head -n 3")).behavior == "allow"


@pytest.mark.parametrize("command", ["cat .env", "cat notes.txt", "cat ~/.ssh/id_rsa", "cat //etc/shadow"])
async def test_p6_commands_that_read_secrets_are_asked_about(workspace, backend, command):
    (workspace / "sub").mkdir()
    (workspace / "notes.txt").symlink_to(".env")
    (workspace / ".env").touch()

    assert (await judged(Bash(backend), rules("Bash", allow="cat:*"), command=command)).behavior == "ask"


@pytest.mark.parametrize(
    "command",
    [
        *(
            'cp "/etc/passwd" p',
            'rm a "/home/u/x"',
            "mv a $DEST",
            "cp -t/etc x",
            "touch '/root/.ssh/authorized_keys' a",
        ),
        *("touch é; cp ü ../out", "touch link/x", "touch /proc/self/root/tmp/x", "rm sub/../../x"),
    ],
)
async def test_p8_edits_by_commands_outside_of_the_workspace_are_asked_about(workspace, backend, command):
    (workspace / "link").symlink_to("/etc")

    assert (await judged(Bash(backend), rules("Bash", mode="accept_edits"), command=command)).behavior == "ask"


async def test_edits_by_commands_in_the_workspace_are_accepted(backend):
    context = rules("Bash", mode="accept_edits")

    assert (await judged(Bash(backend), context, command="mkdir -p 'ä b' && touch 'ä b/x'")).behavior == "allow"
    assert (await judged(Bash(backend), command="touch x")).behavior == "ask"
