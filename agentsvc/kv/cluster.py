"""The primaries of a Cluster, and which of them has a slot."""

import asyncio
import random
from collections.abc import Sequence
from itertools import takewhile
from typing import Any, cast

from redis.exceptions import AskError, MovedError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from agentsvc.kv.address import Address, Host
from agentsvc.kv.commands import Command, slot_of
from agentsvc.kv.dial import LOST
from agentsvc.kv.errors import Refused
from agentsvc.kv.node import Node
from agentsvc.kv.topology import Topology, retire

_SLOTS = 16384
_ANSWER_S = 1.0  # seconds that a server may take to say what it knows of the Cluster


class Cluster(Topology):
    """The map of slots comes from any server that answers, and is put right by each redirection."""

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._known: dict[Host, Node] = {}
        self._owners: list[Node | None] = [None] * _SLOTS

    def node_of(self, command: Command) -> Node:
        return self._owner(slot_of(command))

    def together(self, commands: Sequence[Command]) -> int:
        first = self.node_of(commands[0])
        return 1 + sum(1 for _ in takewhile(lambda each: self._goes_along(each, first), commands[1:]))

    def groups(self, commands: Sequence[Command]) -> list[list[int]]:
        places: dict[Node, list[int]] = {}
        for place, command in enumerate(commands):
            places.setdefault(self.node_of(command), []).append(place)
        return list(places.values())

    def redirected(self, error: AskError, asked: Node) -> Node:
        named: str = cast("Any", error).host
        host = named or (asked.host[0] if asked.host else "")
        node = self._node((host, error.port))
        if isinstance(error, MovedError):
            self._owners[error.slot_id] = node
            if node not in self.nodes:
                self.nodes = (*self.nodes, node)
        return node

    async def watch(self) -> None:
        """Each server says so itself when it is asked for what it has no more."""

    async def aclose(self) -> None:
        for node in self._known.values():
            await node.aclose()

    def _owner(self, slot: int | None) -> Node:
        # No server has a slot while the one that had it is being replaced: any other one says so.
        return (None if slot is None else self._owners[slot]) or random.choice(self.nodes)  # noqa: S311

    def _goes_along(self, command: Command, node: Node) -> bool:
        slot = slot_of(command)
        return slot is None or self._owner(slot) is node

    def _node(self, host: Host) -> Node:
        if host not in self._known:
            self._known[host] = Node(self.address, host)
        return self._known[host]

    async def _look(self) -> None:
        hosts = list(dict.fromkeys([*(node.host for node in self.nodes if node.host), *self.address.hosts]))
        random.shuffle(hosts)
        failed: Exception = RedisConnectionError("no server knows the Cluster")
        for host in hosts:
            node = self._node(host)
            try:
                async with asyncio.timeout(_ANSWER_S):
                    ranges = await node.ask(("CLUSTER", "SLOTS"))
            except ResponseError as error:
                failed = Refused(f"{node} does not say what it knows of a Cluster: {error}")
            except LOST as error:
                failed = failed if isinstance(failed, Refused) else error
            else:
                if ranges:
                    await self._learn(ranges, host[0])
                    return
        raise failed

    async def _learn(self, ranges: list[list[Any]], asked: str) -> None:
        owners: list[Node | None] = [None] * _SLOTS
        for first, last, primary, *_ in ranges:
            name = (primary[0] or b"").decode()
            node = self._node((asked if name in ("", "?") else name, primary[1]))
            owners[first : last + 1] = [node] * (last + 1 - first)
        self._owners = owners
        self.nodes = tuple(dict.fromkeys(node for node in owners if node is not None))
        for host, node in list(self._known.items()):
            if node not in self.nodes and not node.busy:
                del self._known[host]
                await retire(node)
