"""The files of a tree: what blocks, for a thread."""

import errno
import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Lock

from msgspec import Struct

from agentsvc.agent.backend import Changed, FileData, FileKind, FileStat
from agentsvc.workspaces.tree import Tree, loop_at

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 20
_KINDS: dict[int, FileKind] = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink"}

_placing = Lock()
"""Held between the last look at a file and the new one in its place. Only commands can come in between."""


class Expected(Struct, frozen=True):
    """What must be in the place of a new file: one with this stamp, or none, or it does not matter."""

    stamp: str | None
    absent: bool

    def check(self, present: os.stat_result | None, resolved: str) -> None:
        if self.stamp is not None and (present is None or _stamp(present) != self.stamp):
            raise Changed(errno.ESTALE, "The file has changed since it was read", resolved)
        if self.absent and present is not None:
            raise Changed(errno.EEXIST, "There is a file of this name", resolved)


def stat_file(tree: Tree, path: str) -> FileStat | None:
    try:
        return tree.at(path, _stat)
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_file(tree: Tree, path: str, offset: int, limit: int | None) -> FileData:
    return tree.at(path, partial(_read, offset, limit))


def write_file(tree: Tree, path: str, data: bytes, expected: Expected) -> FileStat:
    return tree.at(path, partial(_write, data, expected), make=True)


def list_directory(tree: Tree, path: str) -> list[FileStat]:
    return tree.enter(path, _list)


def _stat(directory: int, name: str, resolved: str) -> FileStat:
    status = os.lstat(name, dir_fd=directory)
    if stat.S_ISLNK(status.st_mode):
        raise loop_at(resolved)
    return _told(resolved, status)


def _read(offset: int, limit: int | None, directory: int, name: str, resolved: str) -> FileData:
    # Looked at before it is opened: opening a pipe or a device can have an effect.
    _check_regular(os.lstat(name, dir_fd=directory))
    file = os.open(name, _READ, dir_fd=directory)
    try:
        status = os.fstat(file)
        _check_regular(status)
        return FileData(_bytes_of(file, offset, limit), _told(resolved, status))
    finally:
        os.close(file)


def _bytes_of(file: int, offset: int, limit: int | None) -> bytes:
    pieces: list[bytes] = []
    left = limit
    while left is None or left > 0:
        piece = os.pread(file, _PIECE if left is None else min(_PIECE, left), offset)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
        left = None if left is None else left - len(piece)
    return b"".join(pieces)


def _write(data: bytes, expected: Expected, directory: int, name: str, resolved: str) -> FileStat:
    present = _present(directory, name)
    expected.check(present, resolved)
    with _new_file(directory, data, present) as (file, temporary), _placing:
        expected.check(_present(directory, name), resolved)
        if expected.absent:
            _place_first(directory, temporary, name, resolved)
        else:
            os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        return _told(resolved, os.fstat(file))


def _place_first(directory: int, temporary: str, name: str, resolved: str) -> None:
    try:
        os.link(temporary, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except FileExistsError:
        raise Changed(errno.EEXIST, "There is a file of this name", resolved) from None
    os.unlink(temporary, dir_fd=directory)  # before the stamp is taken, which it changes


@contextmanager
def _new_file(directory: int, data: bytes, like: os.stat_result | None) -> Generator[tuple[int, str]]:
    """A file that is on disk but has no lasting name yet. It has the mode of the one that it will replace."""
    temporary = f".{secrets.token_hex(8)}.tmp"
    file = os.open(temporary, _MAKE, 0o666, dir_fd=directory)
    try:
        if like is not None:
            os.fchmod(file, like.st_mode & 0o777)
        with open(file, "wb", closefd=False) as writer:
            writer.write(data)
        os.fsync(file)
        yield file, temporary
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)
        os.close(file)


def _list(directory: int, resolved: str) -> list[FileStat]:
    handle = os.open(".", _READ, dir_fd=directory)
    try:
        found: list[FileStat] = []
        for entry in sorted(os.listdir(handle)):  # noqa: PTH208
            with suppress(FileNotFoundError):
                found.append(_told(f"{resolved.rstrip('/')}/{entry}", os.lstat(entry, dir_fd=handle)))
        return found
    finally:
        os.close(handle)


def _present(directory: int, name: str) -> os.stat_result | None:
    """The file that is there; not a directory or a device, which nothing is put in the place of."""
    try:
        status = os.lstat(name, dir_fd=directory)
    except FileNotFoundError:
        return None
    _check_regular(status)
    return status


def _check_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISLNK(status.st_mode):
        raise loop_at("")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a regular file")


def _told(path: str, status: os.stat_result) -> FileStat:
    return FileStat(
        path=path,
        kind=_KINDS.get(stat.S_IFMT(status.st_mode), "other"),
        size=status.st_size,
        mtime=status.st_mtime,
        mode=stat.S_IMODE(status.st_mode),
        stamp=_stamp(status),
    )


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_size}"
