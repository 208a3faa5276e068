"""One server, as most people run it."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.redis_kinds.ports import free_ports
from tests.redis_kinds.server import Server, ended, program


@contextmanager
def standalone(*arguments: str, oldest: bool = False, aof: bool = False, tcp: bool = False) -> Generator[Server]:
    """A server that lives until the end of the block; ``arguments`` are added to its command line.

    ``oldest`` takes the oldest program at hand. With ``aof`` it keeps what it was told when it is killed. It listens
    on a unix socket, or on a port.
    """
    with tempfile.TemporaryDirectory(prefix="agentsvc-redis-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        if tcp:
            (port,) = free_ports(1)
            url, place = f"redis://127.0.0.1:{port}", ["--port", str(port), "--bind", "127.0.0.1"]
        else:
            socket = str(directory / "redis.sock")
            url, place = f"unix://{socket}", ["--port", "0", "--unixsocket", socket, "--unixsocketperm", "700"]
        command = [program(oldest=oldest), *place, *kept(directory, aof=aof), *arguments]
        server = Server("redis", url, command, directory)
        with ended([server]):
            server.start()
            yield server


def kept(directory: Path, *, aof: bool = False) -> list[str]:
    """The arguments that say where a server keeps its things, and which."""
    keeping = ("--appendonly", "yes") if aof else ()
    return ["--dir", str(directory), "--save", "", "--logfile", str(directory / "log"), *keeping]
