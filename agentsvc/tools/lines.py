"""Some lines of a file, read in pieces: what is held in memory does not grow with the file or its lines."""

import errno
from collections.abc import AsyncGenerator

from msgspec import Struct

from agentsvc.agent.backend import BackendBase, Changed, FileData, FileStat

PIECE = 256 * 1024
FARTHEST = 1 << 30  # bytes that are read to find the lines that are wanted
LONGEST = 2_000  # characters of a line that are shown
_KEPT = 4 * (LONGEST + 1)  # bytes of a line that may be needed for them
_BOM = "\ufeff"


class Excerpt(Struct, frozen=True, kw_only=True):
    """``more``: lines follow. ``total`` is known when the end was seen."""

    lines: list[str]
    more: bool
    total: int
    stat: FileStat


async def excerpt(backend: BackendBase, path: str, first: int, count: int) -> Excerpt:
    """``count`` lines from line ``first``, which is 1 at the start. Raises Changed when the file changes meanwhile."""
    window = _Window(first, count)
    stat: FileStat | None = None
    async for piece in _pieces(backend, path):
        stat = piece.stat
        window.add(piece.data)
        if window.more:
            break
    assert stat is not None  # noqa: S101 - there is always a first piece
    window.end()
    return Excerpt(lines=window.lines, more=window.more, total=window.number, stat=stat)


async def _pieces(backend: BackendBase, path: str) -> AsyncGenerator[FileData]:
    offset, stamp = 0, None
    while True:
        piece = await backend.read(path, offset=offset, limit=PIECE)
        if stamp is not None and piece.stat.stamp != stamp:
            raise Changed(f"{path} changed while it was read")
        stamp = piece.stat.stamp
        offset += len(piece.data)
        yield piece
        if offset >= FARTHEST:
            raise OSError(errno.EFBIG, "The lines lie too far behind the start of the file", path)
        # A file of /proc says that its size is 0.
        if not piece.data or 0 < piece.stat.size <= offset:
            return


class _Window:
    """Takes bytes, keeps the lines that are wanted. ``number`` lines have ended."""

    def __init__(self, first: int, count: int) -> None:
        self.lines: list[str] = []
        self.number = 0
        self.more = False
        self._first = first
        self._last = first + count - 1
        self._kept = bytearray()
        self._begun = False

    def add(self, data: bytes) -> None:
        breaks = data.count(b"\n")
        if self.number + breaks < self._first - 1:
            self.number += breaks
            self._begun = not data.endswith(b"\n") if data else self._begun
            return
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._extend(part)
            self._break()
        if rest:
            self._extend(rest)

    def end(self) -> None:
        if self._begun and not self.more:
            self._break()

    def _extend(self, part: bytes) -> None:
        self._begun = True
        if self.number >= self._last:
            self.more = True
        elif self.number >= self._first - 1:
            self._kept += part[: _KEPT - len(self._kept)]

    def _break(self) -> None:
        if self._first - 1 <= self.number < self._last:
            self.lines.append(_shown(bytes(self._kept), is_first=self.number == 0))
            self._kept.clear()
        self.number += 1
        self._begun = False


def _shown(line: bytes, *, is_first: bool) -> str:
    text = line.decode("utf-8", "replace").removesuffix("\r")
    text = text.removeprefix(_BOM) if is_first else text
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... (line cut)"
