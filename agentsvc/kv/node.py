"""One server: its connections, and the line of commands to it."""

from typing import Any

from redis.exceptions import ResponseError

from agentsvc.kv.address import Address, Host
from agentsvc.kv.commands import Command, pack
from agentsvc.kv.dial import dial
from agentsvc.kv.lane import Lane


class Node:
    """``host`` is None for a server on a unix socket."""

    def __init__(self, address: Address, host: Host | None) -> None:
        self.host = host
        self._pool = dial(address, host)
        self._taken = 0
        self.lane = Lane(self._pool)

    def __repr__(self) -> str:
        return "Node({}:{})".format(*self.host) if self.host else "Node(socket)"

    @property
    def busy(self) -> bool:
        return self._taken > 0 or self.lane.busy

    async def ask(self, command: Command) -> Any:
        """The reply to one command, on a connection that nobody else waits for."""
        connection = await self.connect()
        try:
            await connection.send_packed_command(pack(tuple(command)))
            return await connection.read_response()
        except ResponseError:
            raise
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            await self.let_go(connection)

    async def connect(self) -> Any:
        """A connection for the caller alone, who gives it back."""
        self._taken += 1
        try:
            return await self._pool.get_connection()
        except BaseException:
            self._taken -= 1
            raise

    async def let_go(self, connection: Any) -> None:
        self._taken -= 1
        await self._pool.release(connection)

    async def rest(self) -> None:
        """Close the connections that nobody uses."""
        await self._pool.disconnect(inuse_connections=False)

    async def hang_up(self) -> None:
        """Leave the server for good: who waits for an answer, or in line, learns that there will be none."""
        self.lane.leave()
        await self._pool.disconnect()

    async def aclose(self) -> None:
        await self.lane.aclose()
        await self._pool.disconnect()
