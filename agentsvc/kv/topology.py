"""Which server carries a command: one server alone, the primary that Sentinel names, or those of a Cluster."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress

from redis.exceptions import AskError

from agentsvc.kv.address import Address
from agentsvc.kv.commands import Command
from agentsvc.kv.dial import LOST
from agentsvc.kv.errors import Refused
from agentsvc.kv.node import Node


class Topology(ABC):
    """``nodes`` are all primaries as far as they are known; none before the first look.

    ``changes`` counts how often the servers were looked for anew; who listens is told in ``on_change``.

    ``fails_over`` says that a server which is lost is replaced by another one.
    """

    fails_over = True

    def __init__(self, address: Address) -> None:
        self.address = address
        self.changes = 0
        self.on_change: list[Callable[[], None]] = []
        self.nodes: tuple[Node, ...] = ()
        self._looking = asyncio.Lock()
        self._failed: Exception | None = None

    @abstractmethod
    def node_of(self, command: Command) -> Node:
        """The server for a command, once there are ``nodes``."""

    async def route(self, command: Command) -> Node:
        """The server for a command. Raises what says that a connection is lost when none is found."""
        while not self.nodes:
            self._failed = None
            await self.refresh(self.changes)
            if self._failed is not None:
                raise self._failed
        return self.node_of(command)

    def together(self, commands: Sequence[Command]) -> int:
        """How many of these, from the first on, go to the same server."""
        return len(commands)

    def groups(self, commands: Sequence[Command]) -> list[list[int]]:
        """The places of these commands, those for one server together."""
        return [list(range(len(commands)))] if commands else []

    def redirected(self, error: AskError, asked: Node) -> Node:
        """The server that an answer points to; of a move it is remembered."""
        raise Refused(f"{asked} belongs to a Cluster: redis+cluster:// leads there") from error

    async def refresh(self, seen: int) -> None:
        """Look for the servers anew, unless somebody has since ``changes`` was ``seen``."""
        async with self._looking:
            if self.changes != seen:
                return
            try:
                await self._look()
            except Exception as error:
                self._failed = error  # those who waited for this look need no look of their own
                raise
            finally:
                self.changes += 1
        for told in self.on_change:
            told()

    @abstractmethod
    async def watch(self) -> None:
        """Until it is cancelled, look anew whenever somebody says that a server was replaced."""

    async def aclose(self) -> None:
        for node in self.nodes:
            await node.aclose()

    @abstractmethod
    async def _look(self) -> None:
        """Find the servers. Raises what says that a connection is lost when nobody knows."""


class Standalone(Topology):
    """One server, of which nothing is asked."""

    fails_over = False

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._node = Node(address, address.hosts[0] if address.hosts else None)
        self.nodes = (self._node,)

    def node_of(self, command: Command) -> Node:  # noqa: ARG002 - there is no choice
        return self._node

    async def watch(self) -> None:
        """Nobody says anything."""

    async def _look(self) -> None:
        pass


async def retire(node: Node) -> None:
    """Close what a server that is needed no more leaves open; who still waits for it notices by itself."""
    with suppress(*LOST):
        await node.rest()
