"""Hears what is published on Redis."""

import asyncio
from collections.abc import Iterable

from redis.exceptions import MovedError

from agentsvc.kv.dial import LOST
from agentsvc.kv.errors import Refused
from agentsvc.kv.link import Heard, Link
from agentsvc.kv.node import Node
from agentsvc.kv.patience import spread
from agentsvc.kv.topology import Topology

__all__ = ["Heard", "Subscriber"]

_AGAIN = 0.5  # seconds until servers that were not found are looked for again


class Subscriber:
    """Hears channels over one connection to each server that has some, which only ``listen`` makes, and makes again.

    So nobody who subscribes has to deal with a loss: what is wanted is said whenever there is a connection. Sharded
    channels are heard where the slot of their name is, and so are plain ones, though any server would do.

    ``heard`` is told kind (``message``, ``subscribe``, ``unsubscribe``), channel and payload. A ``subscribe`` for a
    channel that was subscribed before says that the connection may have been lost in between.
    """

    def __init__(self, topology: Topology, heard: Heard) -> None:
        self._topology = topology
        self._heard = heard
        self._channels: dict[bytes, bool] = {}
        self._links: dict[Node, Link] = {}
        self._trouble = "no answer"
        self._group: asyncio.TaskGroup | None = None

    @property
    def connected(self) -> bool:
        """Whether everything that is wanted is heard."""
        return bool(self._links) and all(link.up for link in self._links.values())

    @property
    def trouble(self) -> str:
        """Why it is not, as far as it is known."""
        return next((link.trouble for link in self._links.values() if link.trouble), self._trouble)

    async def subscribe(self, *channels: bytes, sharded: bool = True) -> None:
        """Hear these from now on, or as soon as there is a connection; ``heard`` is told when."""
        self._channels.update(dict.fromkeys(channels, sharded))
        await self._place(channels)

    async def unsubscribe(self, *channels: bytes) -> None:
        """Hear these no more, also after the connection was made again."""
        for channel in channels:
            self._channels.pop(channel, None)
            for link in list(self._links.values()):
                await link.leave(channel)

    async def listen(self) -> None:
        """Until it is cancelled."""
        self._topology.on_change.append(self._moved)
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                group.create_task(self._begin(), name="subscriber")
                try:
                    await asyncio.get_running_loop().create_future()
                finally:
                    self._group = None
        finally:
            self._topology.on_change.remove(self._moved)
            for link in list(self._links.values()):
                await link.hang_up()

    async def check(self) -> None:
        """Ask for signs of life. A connection that has given none since it was asked before is made again."""
        for link in list(self._links.values()):
            await link.check()

    async def _begin(self) -> None:
        while not self._topology.nodes:
            try:
                await self._topology.refresh(self._topology.changes)
            except (*LOST, Refused) as error:
                self._trouble = str(error)
                await asyncio.sleep(spread(_AGAIN))
        await self._place(self._channels)

    def _moved(self) -> None:
        # In a task of its own: who looked for the servers may give up in the middle.
        if self._group is not None:
            self._group.create_task(self._settle(), name="subscriber")

    async def _settle(self) -> None:
        """What another server has by now is heard there."""
        for link in list(self._links.values()):
            strayed = [channel for channel in link.channels if self._node_of(channel) is not link.node]
            for channel in strayed:
                await link.leave(channel)
            await self._place(strayed)

    async def _place(self, channels: Iterable[bytes]) -> None:
        if self._group is None or not self._topology.nodes:
            return  # when there is a server, it is told everything
        for channel in list(channels):
            if channel not in self._channels:
                continue  # it was given up meanwhile
            node = self._node_of(channel)
            link = self._links.get(node)
            if link is None:
                link = self._links[node] = Link(node, self._heard, self._astray)
                self._group.create_task(self._keep(link), name=f"subscriber of {node}")
            await link.enter(channel, sharded=self._channels[channel])

    def _node_of(self, channel: bytes) -> Node:
        return self._topology.node_of(("SSUBSCRIBE", channel))

    async def _keep(self, link: Link) -> None:
        """Serve a server for as long as something is to be heard there."""
        try:
            while link.channels:
                seen = self._topology.changes
                await link.serve()
                if link.channels:
                    await self._look(seen)
        finally:
            del self._links[link.node]
            await link.hang_up()

    async def _astray(self, node: Node, moved: MovedError | None) -> None:
        if moved is None:
            await self._look(self._topology.changes)
        else:
            self._topology.redirected(moved, node)
            await self._settle()

    async def _look(self, seen: int) -> None:
        try:
            await self._topology.refresh(seen)
        except (*LOST, Refused):
            return  # the next try to connect comes back here
        await self._settle()
