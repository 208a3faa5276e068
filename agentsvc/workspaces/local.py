"""Workspaces on the machine of the server: a directory, and commands that are confined to it."""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import suppress

from agentsvc.agent.backend import BackendBase, Exit, FileData, FileStat, Output
from agentsvc.workspaces.files import Expected, list_directory, read_file, stat_file, write_file
from agentsvc.workspaces.processes import Process
from agentsvc.workspaces.sandbox import Sandbox, choose_sandbox
from agentsvc.workspaces.tree import Tree

PRIVATE = ".agentsvc"
"""What the service itself keeps in a workspace."""

_HOME = f"{PRIVATE}/home"
_TEMPORARY = f"{PRIVATE}/tmp"  # noqa: S108 - in the workspace
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class LocalBackend(BackendBase):
    """``root`` is a directory that is there, in a place where only the server can rename things.

    Files are never reached outside of it. Commands are confined as ``sandbox`` says; see there. A hard link cannot be
    told from the file itself: one to an outside file, which no confined command can make, is readable.
    """

    def __init__(self, root: str | os.PathLike[str], sandbox: Sandbox | None = None) -> None:
        self._tree = Tree(os.fspath(root))
        self.root = self._tree.root
        self.sandbox = sandbox or choose_sandbox()
        self.confined = self.sandbox.confined

    async def exec(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Output | Exit]:
        place = await asyncio.to_thread(self._prepare, cwd or ".")
        order = self.sandbox.order(self.root, place, argv, self._environment() | dict(env or {}))
        process = await Process.start(order, stdin, timeout_s)
        try:
            while (piece := await process.next()) is not None:
                yield piece
            code = await process.wait()
        finally:
            await process.end()
        yield Exit(code=code, timed_out=process.timed_out)

    async def resolve(self, path: str) -> str:
        return await asyncio.to_thread(self._tree.resolve, path)

    async def stat(self, path: str) -> FileStat | None:
        return await asyncio.to_thread(stat_file, self._tree, path)

    async def read(self, path: str, *, offset: int = 0, limit: int | None = None) -> FileData:
        return await asyncio.to_thread(read_file, self._tree, path, offset, limit)

    async def write(self, path: str, data: bytes, *, expected: str | None = None, create: bool = True) -> FileStat:
        wanted = Expected(expected, absent=create and expected is None)
        return await asyncio.to_thread(write_file, self._tree, path, data, wanted)

    async def list(self, path: str) -> Sequence[FileStat]:
        return await asyncio.to_thread(list_directory, self._tree, path)

    def _prepare(self, cwd: str) -> str:
        """The canonical working directory, which must be one; the private directories are made."""
        for path in (_HOME, _TEMPORARY):
            # They are the agent's to spoil: a command that finds none can still do without.
            with suppress(OSError):
                self._tree.enter(path, _itself, make=True)
        return self._tree.enter(cwd, _itself)

    def _environment(self) -> dict[str, str]:
        places = {"HOME": f"{self.root}/{_HOME}", "TMPDIR": f"{self.root}/{_TEMPORARY}"}
        return {"PATH": _PATH, "LANG": "C.UTF-8", "TERM": "dumb", **places}


def _itself(_: int, resolved: str) -> str:
    return resolved
