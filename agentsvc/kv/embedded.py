"""The embedded Redis: a private Valkey on a unix socket, kept alive by the process that started it."""

import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from agentsvc.kv import tether
from agentsvc.kv.binary import find_server
from agentsvc.kv.lock import DirectoryLock

log = logging.getLogger(__name__)

_LONGEST_SOCKET = 103  # bytes that every system takes as the path of a unix socket
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0  # seconds before a server that ended is started again
_STEADY = 30.0  # seconds after which the next end counts as the first
_SILENCE = 15.0  # seconds that a starting server may say nothing; one that loads its data says so
_INHERITED = ("PATH", "LANG", "TZ")  # variables that the server is given; the others may hold secrets
_GRACE = 10.0  # seconds to write everything down after SIGTERM


class NotStarted(RuntimeError):
    """The embedded Redis did not come up; the message has its last words."""


class EmbeddedRedis:
    """One server for a data directory, from ``start`` to ``stop``. Every write is on disk within a second.

    It belongs to the process that started it, ends with it, and is started again when it ends before.
    Raises ``DirectoryInUse``, ``ServerMissing`` and ``NotStarted``.
    """

    def __init__(self, data_dir: Path) -> None:
        self._home = data_dir / "valkey"
        self._data_dir = data_dir
        self._lock = DirectoryLock(data_dir)
        self._socket = data_dir / "valkey.sock"
        self._socket_home: str | None = None
        self._changing = threading.Lock()
        self._stopping = threading.Event()
        self._server: subprocess.Popen[bytes] | None = None
        self._watcher: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"unix://{quote(str(self._socket))}"

    @property
    def pid(self) -> int | None:
        """The server's process, once it is started. Another one after it was started again."""
        return self._server.pid if self._server else None

    def start(self) -> None:
        """Return once the server answers and has loaded its data."""
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.take()
        try:
            self._prepare()
            self._server = server = self._spawn()
            self._wait_for(server)
        except BaseException:
            self.stop()
            raise
        self._watcher = threading.Thread(target=self._watch, name="embedded-redis", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """End the server after it has written everything down. Nothing starts it again."""
        self._stopping.set()
        with self._changing:
            if self._server is not None:
                _end(self._server)
        if self._watcher is not None:
            self._watcher.join()
        if self._socket_home is not None:
            shutil.rmtree(self._socket_home, ignore_errors=True)
        self._lock.release()

    def forget(self) -> None:
        """In a child made by fork: leave the lock to the parent and its server."""
        self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prepare(self) -> None:
        self._home.mkdir(mode=0o700, exist_ok=True)
        self._home.chmod(0o700)
        if len(os.fsencode(self._socket)) > _LONGEST_SOCKET:
            self._socket_home = tempfile.mkdtemp(prefix="agentsvc-")
            self._socket = Path(self._socket_home) / "valkey.sock"

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [
            *(sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), str(find_server())),
            *("--port", "0", "--unixsocket", str(self._socket), "--unixsocketperm", "700"),
            *("--dir", str(self._home), "--logfile", str(self._home / "log"), "--loglevel", "warning"),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        ]
        # A group of its own: Ctrl-C reaches the workers, which need the server until they have drained.
        # The lock goes along: no second server may start while this one still writes, though its parent be dead.
        return subprocess.Popen(  # noqa: S603 - our own program
            command,
            process_group=0,
            pass_fds=(self._lock.fd,),
            stdin=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _INHERITED if name in os.environ},
        )

    def _wait_for(self, server: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + _SILENCE
        while not (answer := _ping(self._socket)).startswith(b"+PONG"):
            if answer:
                until = time.monotonic() + _SILENCE
            if server.poll() is not None or time.monotonic() > until:
                raise NotStarted(f"The embedded Redis did not start: {self._last_words()}")
            time.sleep(0.005)

    def _last_words(self) -> str:
        try:
            return "\n".join((self._home / "log").read_text(errors="replace").splitlines()[-3:]) or "it said nothing"
        except OSError:
            return "it said nothing"

    def _watch(self) -> None:
        pause = _FIRST_PAUSE
        while (server := self._server) is not None:
            began = time.monotonic()
            code = server.wait()
            if time.monotonic() - began > _STEADY:
                pause = _FIRST_PAUSE
            if self._stopping.is_set():
                return
            log.error("the embedded Redis ended with code %s and is started again; see %s", code, self._home / "log")
            if self._stopping.wait(pause):
                return
            pause = min(pause * 2, _LONGEST_PAUSE)
            with self._changing:
                if self._stopping.is_set():
                    return
                self._restart()

    def _restart(self) -> None:
        try:
            self._server = self._spawn()
        except OSError:
            log.exception("the embedded Redis cannot be started now")


def _ping(path: Path) -> bytes:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64)
    except OSError:
        return b""


def _end(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_GRACE)
    except subprocess.TimeoutExpired:
        log.warning("the embedded Redis did not end in %s s and is killed", _GRACE)
        server.kill()
        server.wait()
