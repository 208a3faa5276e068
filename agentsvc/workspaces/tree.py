"""A directory that is never left: files in it are reached through handles, one component at a time."""

import errno
import os
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import TypeVar

from agentsvc.agent.backend import Outside

T = TypeVar("T")

# Only Linux has handles that need no right to read; elsewhere a directory must be readable to be walked through.
_HANDLE = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
_ATTEMPTS = 10  # how often a path may change under a walk
_LONGEST = 1 << 15  # bytes of a path, several times what a system takes in one call


class Tree:
    """``root`` is canonical. The directory that is there now is meant: one that takes its place later is refused.

    A path is first made canonical by name, then walked without following any link. When a link appears in between, the
    walk fails and starts again: what was checked is what is used.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self._identity = _identity(os.stat(self.root))  # noqa: PTH116 - paths may be no text that pathlib keeps as it is

    def resolve(self, path: str) -> str:
        """The canonical path, which may lie outside. Nothing is touched but links."""
        try:
            if "\0" in path or len(os.fsencode(path)) > _LONGEST:
                raise OSError(errno.EINVAL, "No file can have such a path", path[:80])
            return os.path.realpath(os.path.join(self.root, path))  # noqa: PTH118
        except UnicodeEncodeError:
            raise OSError(errno.EINVAL, "No file can have such a path", path[:80]) from None
        except RecursionError:
            raise loop_at(path) from None

    def at(self, path: str, action: Callable[[int, str, str], T], *, make: bool = False) -> T:
        """What the action makes of a directory's handle, a name in it (``.`` for the root) and the canonical path.

        The action follows no link: it raises ELOOP for one, and is then tried again. With ``make`` missing parents are
        made. Raises Outside.
        """

        def act(parts: list[str], resolved: str) -> T:
            *parents, name = parts or ["."]
            with self._walk(parents, make=make) as directory:
                return action(directory, name, resolved)

        return self._attempt(path, act)

    def enter(self, path: str, action: Callable[[int, str], T], *, make: bool = False) -> T:
        """The same for the directory that the path itself names."""

        def act(parts: list[str], resolved: str) -> T:
            with self._walk(parts, make=make) as directory:
                return action(directory, resolved)

        return self._attempt(path, act)

    def _attempt(self, path: str, act: Callable[[list[str], str], T]) -> T:
        for _ in range(_ATTEMPTS):
            resolved = self.resolve(path)
            try:
                return act(self._parts(resolved), resolved)
            except OSError as error:
                if error.errno != errno.ELOOP:
                    error.filename = resolved
                    raise
        raise loop_at(path)

    def _parts(self, resolved: str) -> list[str]:
        if resolved == self.root:
            return []
        prefix = self.root.rstrip("/") + "/"
        if not resolved.startswith(prefix):
            raise Outside(errno.EACCES, "This path leads out of the workspace", resolved)
        return resolved.removeprefix(prefix).split("/")

    @contextmanager
    def _walk(self, parents: list[str], *, make: bool) -> Generator[int]:
        handle = self._open_root()
        try:
            for name in parents:
                inner = _enter(handle, name, make=make)
                os.close(handle)
                handle = inner
            yield handle
        finally:
            os.close(handle)

    def _open_root(self) -> int:
        try:
            handle = os.open(self.root, _HANDLE)
        except OSError as error:
            if error.errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            raise self._moved() from None
        if _identity(os.fstat(handle)) != self._identity:
            os.close(handle)
            raise self._moved()
        return handle

    def _moved(self) -> Outside:
        return Outside(errno.EACCES, "The workspace is not where it was", self.root)


def loop_at(path: str) -> OSError:
    return OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def _enter(directory: int, name: str, *, make: bool) -> int:
    """Raises ELOOP for a link, which systems say in two ways."""
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=directory)
    try:
        return os.open(name, _HANDLE, dir_fd=directory)
    except NotADirectoryError:
        # A directory by now: it was a link a moment ago.
        if stat.S_IFMT(os.lstat(name, dir_fd=directory).st_mode) in (stat.S_IFLNK, stat.S_IFDIR):
            raise loop_at(name) from None
        raise


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
