"""A cluster of three masters, each with a replica."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from tests.redis_kinds.ports import free_ports
from tests.redis_kinds.replication import PROMPT, Replication, kill_passed_on
from tests.redis_kinds.server import Server, ended, program, until
from tests.redis_kinds.standalone import kept

_MASTERS = 3
_SLOTS = 16_384
_TIMEOUT_MS = 2000  # until a silent node is taken for dead


@dataclass(frozen=True)
class Cluster:
    nodes: dict[int, Server]
    """By their ports."""

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.nodes)

    def master(self, key: str | bytes) -> Server:
        """The one that holds this key."""
        slot = key_slot(key.encode() if isinstance(key, str) else key)
        for first, last, (_, port, *_), *_ in self._ask(self._living()[0], "CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return self.nodes[port]
        raise LookupError(f"nobody serves slot {slot}")

    def kill_master(self, key: str | bytes) -> Server:
        """The one that was killed; its replica, which has all that it had, takes its place a little later."""
        killed = self.master(key)
        kill_passed_on(killed)
        return killed

    def start_again(self) -> None:
        """What was killed."""
        for node in self.nodes.values():
            if not node.alive:
                node.start()

    def revive(self) -> None:
        """Start again what was killed, and wait until everything is as before, but for who is master."""
        self.start_again()
        self.settle()

    def settle(self) -> None:
        """Wait until the living take the cluster for whole, and each replica among them follows a living master.

        A master that dies before that may have no replica that could take its place.
        """
        until(self._settled, "the cluster is whole")

    def _settled(self) -> bool:
        living = self._living()
        said = {port: Replication(port) for port in living}
        masters = [port for port in living if said[port].is_master]
        replicas = [port for port in living if said[port].follows(*masters)]
        fed = sum(said[port].feeds(1) for port in masters)
        return (
            len(masters) == _MASTERS
            and fed == len(replicas) == len(living) - _MASTERS
            and all(self._is_whole(port) for port in living)
        )

    def _is_whole(self, port: int) -> bool:
        told = dict(line.split(":", 1) for line in self._ask(port, "CLUSTER", "INFO").decode().splitlines())
        return (told["cluster_state"], told["cluster_known_nodes"]) == ("ok", str(len(self.nodes)))

    def _living(self) -> list[int]:
        return [port for port, node in self.nodes.items() if node.alive]

    def _ask(self, port: int, *command: Any) -> Any:
        with redis.Redis(port=port) as client:
            client.response_callbacks.clear()  # answers as they are
            return client.execute_command(*command)

    def form(self, buses: dict[int, int]) -> None:
        """Make one cluster of them all; ``buses`` are the ports on which they talk to each other."""
        first, *others = ports = list(self.nodes)
        for number, port in enumerate(ports):
            self._ask(port, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < _MASTERS:
                share = number * _SLOTS // _MASTERS, (number + 1) * _SLOTS // _MASTERS - 1
                self._ask(port, "CLUSTER", "ADDSLOTSRANGE", *share)
        for port in others:
            self._ask(port, "CLUSTER", "MEET", "127.0.0.1", first, buses[first])
        until(lambda: all(self._knows_all(port) for port in ports), "all have met")
        for replica, master in zip(ports[_MASTERS:], ports[:_MASTERS], strict=True):
            self._ask(replica, "CLUSTER", "REPLICATE", self._ask(master, "CLUSTER", "MYID"))
        self.settle()

    def _knows_all(self, port: int) -> bool:
        table = self._ask(port, "CLUSTER", "NODES").decode()
        return "handshake" not in table and len(table.splitlines()) == len(self.nodes)


@contextmanager
def cluster(*arguments: str) -> Generator[Cluster]:
    """It lives until the end of the block; ``arguments`` are added to the command line of each node."""
    with tempfile.TemporaryDirectory(prefix="agentsvc-cluster-", ignore_cleanup_errors=True) as name:
        ports = free_ports(4 * _MASTERS)
        buses = dict(zip(ports[: 2 * _MASTERS], ports[2 * _MASTERS :], strict=True))
        nodes = {port: _node(Path(name), port, bus, *arguments) for port, bus in buses.items()}
        with ended(list(nodes.values())):
            for node in nodes.values():
                node.start()
            made = Cluster(nodes)
            made.form(buses)
            yield made


def _node(parent: Path, port: int, bus: int, *arguments: str) -> Server:
    directory = parent / str(port)
    directory.mkdir()
    command = [
        program(oldest=True),
        *("--port", str(port), "--bind", "127.0.0.1"),
        *PROMPT,
        *("--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-announce-ip", "127.0.0.1"),
        *("--cluster-node-timeout", str(_TIMEOUT_MS), "--cluster-replica-validity-factor", "0"),
        *("--cluster-allow-replica-migration", "no"),
        *kept(directory, aof=True),
        *arguments,
    ]
    return Server(f"node {port}", f"redis://127.0.0.1:{port}", command, directory)
