"""A lock on a directory, held by a process and the children that it is handed to."""

import fcntl
import os
import time
from pathlib import Path


class DirectoryInUse(RuntimeError):
    """Another process holds the directory."""


class DirectoryLock:
    """The file ``lock`` in a directory; its text is the id of the process that took it.

    The kernel lets go of it when the last process that has ``fd`` open has ended, whatever ended it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._fd: int | None = None

    @property
    def fd(self) -> int:
        """The open file, for ``pass_fds``."""
        if self._fd is None:
            raise RuntimeError("the lock is not held")
        return self._fd

    def take(self, *, patience: float = 2.0) -> None:
        """Hold it. Raises ``DirectoryInUse`` when ``patience`` (seconds) does not help.

        The children of a process that was killed need a moment to notice.
        """
        fd = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        until = time.monotonic() + patience
        while not _locked(fd):
            if time.monotonic() > until:
                holder = os.pread(fd, 32, 0).decode().strip() or "unknown"
                os.close(fd)
                raise DirectoryInUse(f"{self._directory} is in use by another agentsvc: process {holder}")
            time.sleep(0.02)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Let go of it in this process."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
