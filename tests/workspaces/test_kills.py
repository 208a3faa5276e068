"""However a command is ended, nothing that it started is left."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from textwrap import dedent

import psutil
import pytest

from agentsvc.agent.backend import Exit, Output
from agentsvc.workspaces.local import LocalBackend
from agentsvc.workspaces.sandbox import Sandbox
from tests.conftest import Until
from tests.workspaces.commands import running, shell
from tests.workspaces.sandboxes import ALL, sandbox

_numbers = count(1)

SCRIPTS = {
    "a child in the background": "sleep {mark} & echo ready; wait",
    "a session of its own": "setsid sleep {mark} & setsid setsid sleep {mark} & echo ready; sleep {mark}",
    "a daemon": "(setsid sh -c '(sleep {mark} <&- >&- 2>&- &) ; exit 0' &); sleep 0.1; echo ready; sleep {mark}",
    "one that holds the pipe open": "(setsid sleep {mark} &); echo ready; exec sleep {mark}",
    "one that ignores signals": "trap '' TERM HUP INT; nohup sleep {mark} & echo ready; while :; do sleep {mark}; done",
    "one that is stopped": "sleep {mark} & kill -STOP $!; echo ready; kill -STOP $$; sleep {mark}",
    "a deep tree": 'sh -c \'sh -c "sh -c \\"setsid sleep {mark} & sleep {mark}\\" & wait" & wait\' & echo ready; wait',
    "many": "for n in $(seq 60); do setsid sleep {mark} & done; echo ready; sleep {mark}",
    "one that never ceases to begin anew": "f() {{ (sleep 0.01; f) & }}; f; sleep {mark} & echo ready; sleep {mark}",
    "one that writes on and on": "setsid sleep {mark} & echo ready; yes {mark}",
    "one that is deaf and mute": "exec </dev/null; sleep {mark} & echo ready; exec >/dev/null 2>&1; sleep {mark}",
}


@pytest.fixture(params=ALL)
def chosen(request: pytest.FixtureRequest) -> Sandbox:
    return sandbox(request.param)


@pytest.fixture
def backend(tmp_path: Path, chosen: Sandbox) -> LocalBackend:
    return LocalBackend(tmp_path, chosen)


@pytest.fixture
def mark() -> Iterator[str]:
    """A number of seconds that no other process sleeps. What still does after the test ends here."""
    text = f"86400.{psutil.Process().pid:07d}{next(_numbers):05d}"
    yield text
    for pid in running(text):
        psutil.Process(pid).kill()


@pytest.fixture(params=SCRIPTS)
def script(request: pytest.FixtureRequest, mark: str) -> str:
    return SCRIPTS[request.param].format(mark=mark)


async def test_after_a_timeout(backend: LocalBackend, script: str, mark: str):
    ended = await asyncio.wait_for(shell(backend, script, timeout_s=0.5), 20)

    assert running(mark) == []
    assert (ended.timed_out, ended.code) == (True, 137)


async def test_after_a_cancellation(backend: LocalBackend, script: str, mark: str, until: Until):
    task = asyncio.create_task(shell(backend, script))
    await until(lambda: len(running(mark)) >= 2, "it runs")

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)

    assert running(mark) == []


async def test_after_its_generator_is_closed(backend: LocalBackend, script: str, mark: str):
    items = backend.exec(["bash", "-c", script])
    assert isinstance(await anext(items), Output)
    assert running(mark)

    await asyncio.wait_for(items.aclose(), 20)

    assert running(mark) == []


async def test_after_the_server_was_killed(tmp_path: Path, chosen: Sandbox, script: str, mark: str, until: Until):
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path), script, chosen.name, chosen.bwrap],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"begun\n"
        assert len(running(mark)) >= 2

        server.send_signal(signal.SIGKILL)

    await until(lambda: not running(mark), "all of it is gone", within=10)


@pytest.mark.parametrize("left", ["setsid sleep {mark} &", "(sleep {mark} &);", "nohup sleep {mark} >/dev/null 2>&1 &"])
async def test_after_its_own_end(backend: LocalBackend, mark: str, left: str):
    ended = await asyncio.wait_for(shell(backend, left.format(mark=mark) + " echo done; exit 7"), 20)

    assert running(mark) == []
    assert (ended.code, ended.stdout, ended.timed_out) == (7, b"done\n", False)


async def test_after_its_launcher_was_killed(tmp_path: Path, mark: str, until: Until):
    backend = LocalBackend(tmp_path, sandbox("bubblewrap"))
    task = asyncio.create_task(shell(backend, f"setsid sleep {mark} & sleep {mark}"))
    await until(lambda: len(running(mark)) >= 4, "it runs")
    launchers = [each for each in psutil.Process().children() if "jail.py" in " ".join(each.cmdline())]

    for each in launchers:
        each.kill()

    ended = await asyncio.wait_for(task, 20)
    assert (ended.code, ended.timed_out) == (137, False)
    await until(lambda: not running(mark), "all of it is gone", within=10)


async def test_a_program_is_ended_in_time_though_nobody_reads(backend: LocalBackend, mark: str, until: Until):
    items = backend.exec(["bash", "-c", f"yes {mark}"], timeout_s=0.5)
    await anext(items)

    await until(lambda: not running(mark), "the timeout does not wait for a reader")

    last = [item async for item in items][-1]
    assert last == Exit(code=137, timed_out=True)


def test_it_is_the_same_without_uvloop(tmp_path: Path, chosen: Sandbox, mark: str):
    async def story() -> tuple[int, bytes, bytes, bool]:
        backend = LocalBackend(tmp_path, chosen)
        assert await shell(backend, "cat; echo x >/dev/stderr; exit 4", stdin=b"in") == (4, b"in", b"x\n", False)
        return await shell(backend, f"setsid sleep {mark} & echo ready; sleep {mark}", timeout_s=1)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        ended = runner.run(story())

    assert running(mark) == []
    assert ended == (137, b"ready\n", b"", True)


async def test_no_descriptor_and_no_process_is_left(backend: LocalBackend, mark: str):
    process = psutil.Process()
    await shell(backend, "true")
    before = process.num_fds()

    for n in range(8):
        await shell(backend, f"sleep {mark} & exit {n % 2}", stdin=b"x", timeout_s=0.2 if n % 3 else None)

    assert process.num_fds() <= before
    assert process.children() == []


SERVER = dedent("""
    import asyncio, sys
    from agentsvc.agent.backend import Output
    from agentsvc.workspaces.local import LocalBackend
    from agentsvc.workspaces.sandbox import Sandbox

    async def main():
        root, script, name, bwrap = sys.argv[1:]
        backend = LocalBackend(root, Sandbox(name=name, bwrap=bwrap))
        async for item in backend.exec(["bash", "-c", script], timeout_s=30):
            if isinstance(item, Output) and item.data.startswith(b"ready"):
                print("begun", flush=True)

    asyncio.run(main())
""")
