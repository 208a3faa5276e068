"""Where tools act: a place with files and programs. Tools speak to this, never to the host."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Literal

from msgspec import Struct

FileKind = Literal["file", "directory", "symlink", "other"]


class FileStat(Struct, frozen=True, kw_only=True):
    """``path`` is canonical. ``stamp`` changes whenever the content may have; ``mtime`` is Unix time in seconds."""

    path: str
    kind: FileKind
    size: int
    mtime: float
    mode: int
    stamp: str


class FileData(Struct, frozen=True):
    """The bytes that were asked for, and the stamp of the very file they were read from."""

    data: bytes
    stat: FileStat


class Output(Struct, frozen=True):
    """What a program wrote, as it came."""

    stream: Literal["stdout", "stderr"]
    data: bytes


class Exit(Struct, frozen=True, kw_only=True):
    """How a program ended, in a shell's terms: ``code`` is 128 + n when signal n killed it. Comes last of all."""

    code: int
    timed_out: bool = False


class Outside(PermissionError):
    """The path leads out of what the backend may touch."""


class Changed(OSError):
    """The file is not the one that was expected: somebody else has written it, made it or removed it."""


class BackendBase(ABC):
    """One workspace's files and programs.

    Paths are POSIX paths, absolute or relative to ``root``, which is the working directory and canonical. File errors
    are those of Python: ``FileNotFoundError``, ``IsADirectoryError``, ``NotADirectoryError``, ``PermissionError`` (of
    which ``Outside`` is one), other ``OSError``. Symbolic links are followed only inside the workspace.
    """

    root: str
    confined: bool = False
    """Whether programs, too, are kept from what is outside. Nobody's commands should run where they are not."""

    @abstractmethod
    def exec(
        self,
        argv: Sequence[str],
        *,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        timeout_s: float | None = None,
    ) -> AsyncGenerator[Output | Exit]:
        """Run a program without a shell: what it writes as it comes, then one ``Exit``.

        Closing the generator, cancelling it and the timeout kill the program and all that it started, before this
        returns; so does the end of the program with what it left running. Who reads slowly slows the program down.
        The program sees no variable of the server, only a plain environment and ``env``. A program that is not there
        ends with code 127 and a word on ``stderr``; one that cannot be run with 126. Raises Outside and file errors
        for ``cwd``, ValueError for what no program can be given (a NUL).
        """

    @abstractmethod
    async def resolve(self, path: str) -> str:
        """The canonical absolute path that using ``path`` would really touch: ``..``, doubled slashes and symbolic
        links followed, also where the last parts do not exist. It may lie outside; nothing is touched. Never raises
        for a path that is merely absent.
        """

    @abstractmethod
    async def stat(self, path: str) -> FileStat | None:
        """None when there is nothing. Follows symbolic links. Raises Outside."""

    @abstractmethod
    async def read(self, path: str, *, offset: int = 0, limit: int | None = None) -> FileData:
        """At most ``limit`` bytes from ``offset``. The stamp belongs to the file that was opened."""

    @abstractmethod
    async def write(self, path: str, data: bytes, *, expected: str | None = None, create: bool = True) -> FileStat:
        """Put a whole file in place at once: readers see the old or the new one, a crash leaves one of them.

        Parents are made. The mode of a file that is there stays. With ``expected`` the file must still have this
        stamp; without it (None) and ``create`` the file must not exist yet. Raises Changed otherwise. With neither,
        whatever file is there is replaced.
        """

    @abstractmethod
    async def list(self, path: str) -> Sequence[FileStat]:
        """What a directory holds, in order of names; symbolic links as such. Raises as named above."""
