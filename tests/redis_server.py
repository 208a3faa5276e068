"""A Redis of the tests' own: the binary of the embedded one, on a unix socket, without persistence."""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import redis

from agentsvc.kv.binary import find_server


@contextmanager
def redis_server(*arguments: str, program: Sequence[str] | None = None) -> Iterator[str]:
    """The URL of a server that lives until the end of the block; ``arguments`` are added to its command line."""
    with tempfile.TemporaryDirectory(prefix="agentsvc-redis-", ignore_cleanup_errors=True) as directory:
        socket = Path(directory) / "redis.sock"
        command = [
            *(program or [str(find_server())]),
            *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
            *("--dir", directory, "--save", "", "--logfile", f"{directory}/log"),
            *arguments,
        ]
        # Its own group: Ctrl-C ends the tests first, and they end it.
        with subprocess.Popen(command, process_group=0) as server:
            try:
                _wait(f"unix://{socket}", server, Path(directory) / "log")
                yield f"unix://{socket}"
            finally:
                server.terminate()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 15
    with redis.Redis.from_url(url) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"redis did not start: {log.read_text() if log.exists() else ''}") from None
                time.sleep(0.005)
            else:
                return
