"""The files below a directory, as the backend lists them. Bounded in number and time."""

import asyncio
import posixpath
from collections.abc import AsyncGenerator, Callable, Sequence

from agentsvc.agent.backend import BackendBase, FileStat

VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr", ".jj", ".sl"})

LEFT_OUT = VERSION_CONTROL | {".agentsvc"}
"""Directories that are not searched unless they are named: version control, and what the service itself keeps."""

_ENTRIES = 200_000
_SECONDS = 20.0
_AT_ONCE = 256  # entries after which others have their turn


class Walk:
    """One way through a tree, in order of names. Links are given as such and never followed.

    ``enter`` says of a directory's path whether to look into it. ``cut``: there was more than one walk may see.
    """

    def __init__(
        self,
        backend: BackendBase,
        enter: Callable[[str], bool],
        *,
        entries: int = _ENTRIES,
        seconds: float = _SECONDS,
    ) -> None:
        self.cut = False
        self._entries = entries
        self._seconds = seconds
        self._backend = backend
        self._enter = enter

    async def files(self, start: str) -> AsyncGenerator[FileStat]:
        """All but directories. Raises for a start that cannot be listed; what is below and cannot be is left out."""
        clock = asyncio.get_running_loop().time
        ends = clock() + self._seconds
        waiting = list(reversed(await self._backend.list(start)))
        listed, seen = len(waiting), 0
        while waiting:
            entry = waiting.pop()
            seen += 1
            if seen > self._entries or clock() > ends:
                self.cut = True
                return
            if seen % _AT_ONCE == 0:
                await asyncio.sleep(0)
            if entry.kind != "directory":
                yield entry
            elif self._enter(entry.path):
                if listed > self._entries:
                    self.cut = True
                    return
                below = await self._below(entry.path)
                listed += len(below)
                waiting += reversed(below)

    async def _below(self, path: str) -> Sequence[FileStat]:
        try:
            return await self._backend.list(path)
        except OSError:
            return ()


def is_left_out(path: str) -> bool:
    return posixpath.basename(path) in LEFT_OUT
