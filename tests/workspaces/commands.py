"""What a command gives, and which processes of one are left."""

from pathlib import Path
from typing import Any, NamedTuple

from agentsvc.agent.backend import BackendBase, Exit


class Ended(NamedTuple):
    code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool


async def run(backend: BackendBase, *argv: str, **options: Any) -> Ended:
    written = {"stdout": b"", "stderr": b""}
    last = None
    async for item in backend.exec(argv, **options):
        assert last is None, "nothing comes after the exit"
        if isinstance(item, Exit):
            last = item
        else:
            written[item.stream] += item.data
    assert last is not None
    return Ended(last.code, written["stdout"], written["stderr"], last.timed_out)


async def shell(backend: BackendBase, script: str, **options: Any) -> Ended:
    return await run(backend, "bash", "-c", script, **options)


def running(mark: str) -> list[int]:
    """The processes that have the mark in their arguments, whatever namespace they are in."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
