"""One connection on which things are heard."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from redis.exceptions import MovedError, RedisError

from agentsvc.kv.commands import pack
from agentsvc.kv.dial import LOST
from agentsvc.kv.node import Node
from agentsvc.kv.patience import spread

Heard = Callable[[bytes, bytes, bytes], None]

_FIRST, _LONGEST = 0.05, 1.0  # seconds until a connection is made again

log = logging.getLogger(__name__)


class Link:
    """``channels``, sharded or not, are heard from one server; ``up`` says that it has confirmed each of them.

    Only ``serve`` makes the connection and reads from it. ``astray`` is called when the server has not, or no longer,
    the slot of a channel, with its word of who has it, if it gave one: it lets such channels leave.
    """

    def __init__(self, node: Node, heard: Heard, astray: Callable[[Node, MovedError | None], Awaitable[None]]) -> None:
        self.node = node
        self.channels: dict[bytes, bool] = {}
        self.trouble = ""
        self._heard = heard
        self._astray = astray
        self._unconfirmed: set[bytes] = set()
        self._connection: Any = None
        self._unanswered = False
        self._pause = _FIRST

    @property
    def up(self) -> bool:
        return self._connection is not None and not self._unconfirmed

    async def enter(self, channel: bytes, *, sharded: bool) -> None:
        self.channels[channel] = sharded
        self._unconfirmed.add(channel)
        await self._tell(_subscribe(channel, sharded=sharded))

    async def leave(self, channel: bytes) -> None:
        if channel in self.channels:
            sharded = self.channels.pop(channel)
            self._unconfirmed.discard(channel)
            await self._tell(("SUNSUBSCRIBE" if sharded else "UNSUBSCRIBE", channel))

    async def check(self) -> None:
        if self._unanswered and self._connection is not None:
            await self._connection.disconnect(nowait=True)  # the one who reads from it notices
        self._unanswered = True
        await self._tell(("PING",))

    async def serve(self) -> None:
        """Hear until nothing is to be heard here, or the connection is lost and a pause over."""
        try:
            connection = self._connection = await self.node.connect()
            await self._begin(connection)
            while self.channels:
                await self._listen(connection)
        except (*LOST, RedisError) as error:
            if not self.trouble:
                log.warning("live events of %s interrupted: %s", self.node, error)
            self.trouble = str(error) or type(error).__name__
            await self.hang_up()
            await asyncio.sleep(spread(self._pause))
            self._pause = min(self._pause * 2, _LONGEST)

    async def hang_up(self) -> None:
        connection, self._connection = self._connection, None
        self._unconfirmed = set(self.channels)
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self.node.let_go(connection)

    async def _begin(self, connection: Any) -> None:
        self._unanswered = False
        self._unconfirmed = set(self.channels)
        said = [_subscribe(channel, sharded=sharded) for channel, sharded in self.channels.items()]
        await connection.send_packed_command(b"".join(map(pack, said)), check_health=False)

    async def _listen(self, connection: Any) -> None:
        try:
            heard: list[bytes] = await connection.read_response(disconnect_on_error=False)
        except MovedError as moved:
            await self._astray(self.node, moved)
            return
        self._unanswered = False
        if len(heard) < 3:
            return
        kind, channel, payload = heard[:3]
        match kind:
            case b"message" | b"smessage":
                self._heard(b"message", channel, payload)
            case b"subscribe" | b"ssubscribe":
                self._confirm(channel)
                self._heard(b"subscribe", channel, b"")
            case _ if channel in self.channels and channel not in self._unconfirmed:
                await self._given_up(channel)
            case _:
                self._heard(b"unsubscribe", channel, b"")

    async def _given_up(self, channel: bytes) -> None:
        """The server has let go of a channel that is wanted, since it has its slot no more."""
        self._unconfirmed.add(channel)
        await self._astray(self.node, None)
        if channel in self.channels:
            await self._tell(_subscribe(channel, sharded=self.channels[channel]))

    def _confirm(self, channel: bytes) -> None:
        self._unconfirmed.discard(channel)
        if self.up:
            self.trouble, self._pause = "", _FIRST

    async def _tell(self, command: tuple[str | bytes, ...]) -> None:
        # A connection that is lost would be made again here, beside the one who reads from it.
        if self._connection is not None and self._connection.is_connected:
            with suppress(*LOST):
                await self._connection.send_packed_command(pack(command), check_health=False)


def _subscribe(channel: bytes, *, sharded: bool) -> tuple[str, bytes]:
    return "SSUBSCRIBE" if sharded else "SUBSCRIBE", channel
