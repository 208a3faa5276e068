"""A master, its replicas, and three sentinels that watch over them."""

import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from tests.redis_kinds.ports import free_ports
from tests.redis_kinds.replication import PROMPT, Replication, kill_passed_on
from tests.redis_kinds.server import Server, ended, program, until
from tests.redis_kinds.standalone import kept

_SERVICE = "mymaster"
_SENTINELS = 3
_DOWN_MS = 1500  # until a silent master is taken for dead
_FAILOVER_MS = 10_000  # until a fail-over that did not succeed is tried again


@dataclass(frozen=True)
class Sentinel:
    nodes: dict[int, Server]
    """By their ports."""
    sentinels: dict[int, Server]

    @property
    def url(self) -> str:
        addresses = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"redis+sentinel://{addresses}/{_SERVICE}"

    def start(self, master: int) -> None:
        """The sentinels come last: they look for replicas at once, and then every ten seconds."""
        for node in self.nodes.values():
            node.start()
        until(lambda: _is_followed(master, {*self.nodes} - {master}), "the replicas follow their master")
        for each in self.sentinels.values():
            each.start()
        self.settle()

    def master(self) -> Server:
        """The one that most sentinels take for it."""
        said = [self._ask(port, "GET-MASTER-ADDR-BY-NAME")[1] for port in self.sentinels]
        return self.nodes[int(max(said, key=said.count))]

    def kill_master(self) -> Server:
        """The one that was killed; a replica, which has all that it had, takes its place a little later."""
        killed = self.master()
        kill_passed_on(killed)
        return killed

    def start_again(self) -> None:
        """What was killed."""
        master = self.master()
        for port, node in self.nodes.items():
            if not node.alive:
                node.start()
                _follow(port, master)  # as the sentinels would say too, some ten seconds later

    def revive(self) -> None:
        """Start again what was killed, and wait until everything is as before, but for who is master."""
        self.start_again()
        self.settle()

    def settle(self) -> None:
        """Wait until all know one master, and each living replica follows it."""
        until(self._settled, "master, replicas and sentinels agree")

    def _settled(self) -> bool:
        living = {port for port, node in self.nodes.items() if node.alive}
        masters = {int(self._ask(port, "GET-MASTER-ADDR-BY-NAME")[1]) for port in self.sentinels}
        if len(masters) != 1 or not masters <= living:
            return False
        (master,) = masters
        return _is_followed(master, living - masters) and all(self._knows_all(port) for port in self.sentinels)

    def _knows_all(self, port: int) -> bool:
        others, replicas = self._ask(port, "SENTINELS"), self._ask(port, "REPLICAS")
        return len(others) == _SENTINELS - 1 and len(replicas) >= len(self.nodes) - 1

    def _ask(self, port: int, what: str) -> Any:
        with redis.Redis(port=port, decode_responses=True) as client:
            return client.execute_command("SENTINEL", what, _SERVICE)


def _is_followed(master: int, replicas: set[int]) -> bool:
    said = Replication(master)
    return said.is_master and said.feeds(len(replicas)) and all(Replication(port).follows(master) for port in replicas)


def _follow(port: int, master: Server) -> None:
    with redis.Redis(port=port) as client:
        client.replicaof("127.0.0.1", master.url.rpartition(":")[2])


@contextmanager
def sentinel(*arguments: str, replicas: int = 2, aof: bool = True) -> Generator[Sentinel]:
    """They live until the end of the block; ``arguments`` are added to the command lines of master and replicas."""
    with (
        tempfile.TemporaryDirectory(prefix="agentsvc-sentinel-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        first, *others = free_ports(1 + replicas)
        following = ("--replicaof", f"127.0.0.1 {first}")
        nodes = {first: _node(Path(name), first, *arguments, aof=aof)}
        nodes |= {port: _node(Path(name), port, *following, *arguments, aof=aof) for port in others}
        sentinels = {port: _sentinel(Path(name), port, first) for port in free_ports(_SENTINELS)}
        stack.enter_context(ended([*nodes.values(), *sentinels.values()]))
        started = Sentinel(nodes, sentinels)
        started.start(first)
        yield started


def _node(parent: Path, port: int, *arguments: str, aof: bool) -> Server:
    directory = parent / str(port)
    directory.mkdir()
    place = ("--port", str(port), "--bind", "127.0.0.1")
    command = [program(oldest=True), *place, *PROMPT, *kept(directory, aof=aof), *arguments]
    return Server(f"redis {port}", f"redis://127.0.0.1:{port}", command, directory)


def _sentinel(parent: Path, port: int, master: int) -> Server:
    directory = parent / str(port)
    directory.mkdir()
    config = directory / "sentinel.conf"  # a sentinel writes down there what it learns
    config.write_text(
        f"""
        port {port}
        bind 127.0.0.1
        dir {directory}
        logfile {directory}/log
        sentinel monitor {_SERVICE} 127.0.0.1 {master} {_SENTINELS // 2 + 1}
        sentinel down-after-milliseconds {_SERVICE} {_DOWN_MS}
        sentinel failover-timeout {_SERVICE} {_FAILOVER_MS}
        """
    )
    command = [program(oldest=True), str(config), "--sentinel"]
    return Server(f"sentinel {port}", f"redis://127.0.0.1:{port}", command, directory)
