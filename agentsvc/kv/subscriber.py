"""Hears what is published on Redis."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from agentsvc.kv.dial import LOST, dial
from agentsvc.kv.errors import Unreachable


class Subscriber:
    """Hears channels over one connection, which only ``listen`` makes, reads and makes again.

    So nobody who subscribes has to deal with a loss: what is wanted is said whenever there is a connection.
    """

    def __init__(self, url: str) -> None:
        self._client = dial(url)
        self._connection: Any = None
        self._channels: set[bytes] = set()
        self._unanswered = False

    async def subscribe(self, *channels: bytes) -> None:
        """Hear these from now on, or as soon as there is a connection; ``listen`` tells when."""
        self._channels.update(channels)
        await self._tell("SUBSCRIBE", channels)

    async def unsubscribe(self, *channels: bytes) -> None:
        """Hear these no more, also after the connection was made again."""
        self._channels.difference_update(channels)
        await self._tell("UNSUBSCRIBE", channels)

    async def listen(self) -> tuple[bytes, bytes, bytes]:
        """The next thing heard: kind (``message``, ``subscribe``, ``unsubscribe``), channel, payload.

        A ``subscribe`` for a channel that was subscribed before says that the connection may have been lost in between.
        Raises Unreachable, after which another call tries again.
        """
        try:
            connection = self._connection or await self._connect()
            while True:
                heard: list[bytes] = await connection.read_response(disconnect_on_error=False)
                self._unanswered = False
                if len(heard) >= 3:
                    return heard[0], heard[1], heard[2]
        except (*LOST, RedisError) as error:
            await self._disconnect()
            raise Unreachable(str(error)) from error

    async def check(self) -> None:
        """Ask for a sign of life. A connection that has given none since it was asked before is made again."""
        if self._unanswered and self._connection is not None:
            await self._connection.disconnect(nowait=True)  # the one who reads from it notices
        self._unanswered = True
        await self._tell("PING", ())

    async def aclose(self) -> None:
        await self._disconnect()
        await self._client.aclose()

    async def _connect(self) -> Any:
        self._connection = connection = await self._client.connection_pool.get_connection()
        self._unanswered = False
        if self._channels:
            await connection.send_command("SUBSCRIBE", *self._channels)
        return connection

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self._client.connection_pool.release(connection)

    async def _tell(self, command: str, channels: Sequence[bytes]) -> None:
        # A connection that is lost would be made again here, beside the one who reads from it.
        if self._connection is not None and self._connection.is_connected:
            with suppress(*LOST):
                await self._connection.send_command(command, *channels, check_health=False)
