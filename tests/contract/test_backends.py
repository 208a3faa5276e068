"""What every backend keeps to with programs, wherever they run."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import psutil
import pytest

from agentsvc.agent.backend import BackendBase, Exit, Output, Outside
from tests.conftest import Until
from tests.workspaces.commands import run, shell

MEGABYTE = 1_000_000
WORDS = [
    "a b",
    "'",
    '"',
    "a\nb",
    "ü → 日本",
    "",
    "$HOME",
    "*",
    "\\",
    "-n",
    "a\tb",
    "`id`",
    "$(id)",
    ";",
    "\udcff\udcfe",
]


async def test_arguments_arrive_as_they_are(backend: BackendBase):
    ended = await run(backend, "printf", "%s\\0", *WORDS)

    assert ended.stdout.split(b"\0")[:-1] == [os.fsencode(each) for each in WORDS]


async def test_what_no_program_can_be_given_is_refused(backend: BackendBase):
    for items in (
        backend.exec(["echo", "a\0b"]),
        backend.exec(["echo", "\ud800"]),
        backend.exec(["true"], env={"A": "\0"}),
    ):
        with pytest.raises(ValueError, match=r"NUL|surrogates"):
            await anext(items)


async def test_both_outputs_and_the_code_are_told(backend: BackendBase):
    ended = await shell(backend, "echo out; echo err >&2; echo more >/dev/stderr; exit 3")

    assert ended == (3, b"out\n", b"err\nmore\n", False)


async def test_a_program_that_is_not_there_ends_with_127(backend: BackendBase):
    for name in ("no-such-program", "./no/such", "/no/such"):
        ended = await run(backend, name)

        assert (ended.code, ended.stdout) == (127, b"")
        assert b"not found" in ended.stderr or b"no such file" in ended.stderr.lower()


async def test_what_cannot_be_run_ends_with_126(backend: BackendBase):
    await backend.write("data", b"not a program")

    assert (await run(backend, "./data")).code == 126


async def test_a_killed_program_ends_with_128_and_the_signal(backend: BackendBase):
    assert (await shell(backend, "kill -9 $$")).code == 137


async def test_the_environment_is_plain(backend: BackendBase, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CANARY", "of the server")

    ended = await run(backend, "env", "-0", env={"GIVEN": "a\nb=c", "TERM": "vt100"})

    seen = dict(each.split("=", 1) for each in ended.stdout.decode().split("\0") if each)
    assert seen.keys() <= {"PATH", "HOME", "LANG", "TERM", "TMPDIR", "PWD", "SHLVL", "_", "OLDPWD", "GIVEN"}
    assert (seen["GIVEN"], seen["TERM"]) == ("a\nb=c", "vt100")
    assert seen["HOME"].startswith(backend.root)
    assert seen["TMPDIR"].startswith(backend.root)


async def test_home_and_temporary_files_have_a_place(backend: BackendBase):
    ended = await shell(backend, 'echo 1 > "$HOME/a" && mktemp && echo 2 > /dev/null && cat <(cat "$HOME/a")')

    assert (ended.code, ended.stderr) == (0, b"")
    assert ended.stdout.endswith(b"\n1\n")


async def test_descriptors_of_the_server_stay_there(backend: BackendBase, tmp_path: Path):
    (tmp_path / "held").touch()
    held = os.open(tmp_path / "held", os.O_RDONLY)
    os.dup2(held, 77, inheritable=True)

    ended = await shell(backend, "for n in 3 4 5 6 7 8 9 77; do true <&$n && echo $n; done")
    os.close(held)
    os.close(77)

    assert (ended.code, ended.stdout) == (1, b"")


@pytest.mark.parametrize("size", [0, 3, 5 * MEGABYTE])
async def test_a_program_reads_what_it_is_given_and_then_the_end(backend: BackendBase, size: int):
    data = os.urandom(size)

    assert (await run(backend, "cat", stdin=data)).stdout == data


async def test_a_program_that_does_not_read_ends_all_the_same(backend: BackendBase):
    assert (await run(backend, "true", stdin=bytes(5 * MEGABYTE))).code == 0


async def test_the_working_directory_is_the_root_or_what_is_said(backend: BackendBase):
    await backend.write("sub/dir/file", b"")

    assert (await run(backend, "pwd")).stdout.decode() == f"{backend.root}\n"
    for cwd in ("sub/dir", f"{backend.root}/sub/./dir"):
        assert (await run(backend, "pwd", cwd=cwd)).stdout.decode() == f"{backend.root}/sub/dir\n"


@pytest.mark.parametrize(
    ("cwd", "error"), [("absent", FileNotFoundError), ("file", NotADirectoryError), ("..", Outside), ("/", Outside)]
)
async def test_a_working_directory_must_be_one(backend: BackendBase, cwd: str, error: type[OSError]):
    await backend.write("file", b"")

    with pytest.raises(error):
        await run(backend, "pwd", cwd=cwd)


async def test_a_long_output_comes_whole_and_is_never_held(backend: BackendBase):
    process, received, most = psutil.Process(), 0, 0
    before = process.memory_info().rss

    async with aclosing(backend.exec(["head", "-c", str(100 * MEGABYTE), "/dev/zero"])) as items:
        async for item in items:
            if isinstance(item, Output):
                received += len(item.data)
                most = max(most, process.memory_info().rss)

    assert received == 100 * MEGABYTE
    assert most - before < 30 * MEGABYTE


async def test_who_reads_slowly_slows_the_program_down(backend: BackendBase, until: Until):
    script = "for n in $(seq 100); do head -c 65536 /dev/zero; echo $n > written; done"
    async with aclosing(backend.exec(["bash", "-c", script])) as items:
        received = await anext(items)
        assert isinstance(received, Output)
        total, seen = len(received.data), [b""]

        async def stands_still() -> bool:
            if await backend.stat("written"):
                seen.append((await backend.read("written")).data)
            return len(seen) > 30 and seen[-30] == seen[-1] != b""

        await until(stands_still, "the program waits to be read")
        async for item in items:
            total += len(item.data) if isinstance(item, Output) else 0

    assert int(seen[-1]) < 50
    assert total == 100 * 65536


async def test_output_comes_while_the_program_runs(backend: BackendBase):
    script = "echo first; until [ -e go ]; do sleep 0.01; done; echo second"
    async with aclosing(backend.exec(["bash", "-c", script], timeout_s=30)) as items:
        first = await anext(items)
        await backend.write("go", b"")
        others = [item async for item in items]

    assert (first, others) == (Output("stdout", b"first\n"), [Output("stdout", b"second\n"), Exit(code=0)])


async def test_a_timeout_ends_the_program_and_keeps_what_it_wrote(backend: BackendBase, until: Until):
    ended = await asyncio.wait_for(shell(backend, BEATING, timeout_s=1), 10)

    assert ended == (137, b"begun\n", b"", True)
    await stopped(backend, until)


async def test_a_program_in_time_is_not_timed_out(backend: BackendBase):
    assert (await run(backend, "true", timeout_s=30)) == (0, b"", b"", False)


async def test_a_cancelled_program_is_gone(backend: BackendBase, until: Until):
    task = asyncio.create_task(shell(backend, BEATING))
    await until(lambda: beats(backend), "it runs")

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await stopped(backend, until)


async def test_a_closed_program_is_gone(backend: BackendBase, until: Until):
    items = backend.exec(["bash", "-c", BEATING])
    await anext(items)

    await items.aclose()

    await stopped(backend, until)


async def test_what_a_program_leaves_running_ends_with_it(backend: BackendBase, until: Until):
    ended = await asyncio.wait_for(
        shell(backend, f"({BEATING}) & until [ -s beats ]; do sleep 0.01; done; echo done"), 10
    )

    assert (ended.code, ended.stdout) == (0, b"begun\ndone\n")
    await stopped(backend, until)


async def test_programs_run_side_by_side(backend: BackendBase):
    ended = await asyncio.gather(*(run(backend, "echo", str(n)) for n in range(8)))

    assert [each.stdout for each in ended] == [b"%d\n" % n for n in range(8)]


BEATING = "echo begun; trap '' TERM HUP INT; while :; do echo >> beats; sleep 0.02; done"


async def beats(backend: BackendBase) -> int:
    stat = await backend.stat("beats")
    return 0 if stat is None else stat.size


async def stopped(backend: BackendBase, until: Callable[..., Awaitable[Any]]) -> None:
    """A process that beats would have done so several times while its silence is looked at."""
    seen: list[int] = []

    async def silent() -> bool:
        seen.append(await beats(backend))
        return len(seen) > 15

    await until(silent, "some time has passed")
    assert len(set(seen)) == 1
