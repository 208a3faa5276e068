"""One server process in a directory of its own, which can be killed, held still and started again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from agentsvc.kv import tether
from agentsvc.kv.binary import find_server

DEBIAN = shutil.which("redis-server")
"""The server that a distribution brings, where there is one: Redis 7.0 on Debian 12."""

_STARTED = 30.0  # seconds, on a machine that has other things to do


def program(*, oldest: bool = False) -> str:
    """The embedded Valkey, or the oldest server at hand."""
    return DEBIAN if oldest and DEBIAN else str(find_server())


class Server:
    """Killed with the process of the tests, whatever becomes of it. ``url`` is where an operator connects.

    Start it from a thread that lives as long as it shall: the kernel ties it to that thread.
    """

    def __init__(self, name: str, url: str, command: Sequence[str], directory: Path) -> None:
        self.name = name
        self.url = url
        self.directory = directory
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Return once it answers and has loaded its data."""
        tied = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid())]
        # Its own group: Ctrl-C ends the tests first, and they end it.
        self._process = subprocess.Popen([*tied, *self._command], process_group=0, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + _STARTED
        with redis.Redis.from_url(self.url) as client:
            while not self._answers(client):
                if not self.alive or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} did not start: {self.said()}")
                time.sleep(0.005)

    def _answers(self, client: redis.Redis) -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    def said(self) -> str:
        log = self.directory / "log"
        return log.read_text(errors="replace") if log.exists() else ""

    def kill(self) -> None:
        """SIGKILL: it says not another word."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """It goes in peace, but it goes."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self) -> None:
        """Kill it, and start it again with what it has kept."""
        self.kill()
        self.start()

    @contextmanager
    def pause(self) -> Generator[None]:
        """It stands still, and its connections stay."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@contextmanager
def ended(servers: Sequence[Server]) -> Generator[None]:
    """With the block they end too, whichever of them run."""
    try:
        yield
    finally:
        for server in servers:
            server.end()


def until(condition: Callable[[], Any], what: str, *, within: float = _STARTED) -> None:
    """Wait for something that servers agree on among themselves. What cannot be asked is not yet so."""
    deadline = time.monotonic() + within
    while True:
        try:
            if condition():
                return
        except redis.RedisError:
            pass
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {within} s still not: {what}")
        time.sleep(0.02)
