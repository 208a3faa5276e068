"""The line of commands to one server: while one batch is under way the next one gathers."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from agentsvc.kv.commands import Command, pack
from agentsvc.kv.errors import Unreachable

_BATCH = 256  # commands a round trip
_ANSWER_S = 5.0  # seconds until a batch is given up for lost

_Waiting = tuple[Sequence[Command], asyncio.Future[list[Any]]]


class Lane:
    """Many callers share a round trip, and a single one does not wait."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._queue: list[_Waiting] = []
        self._sender: asyncio.Task[None] | None = None
        self._left = False

    @property
    def busy(self) -> bool:
        return self._sender is not None

    def send(self, commands: Sequence[Command]) -> asyncio.Future[list[Any]]:
        """The replies, errors among them, to commands that travel together. Raises what says that they got lost."""
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        if self._left:
            answer.set_exception(_gone())
            return answer
        self._queue.append((commands, answer))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), name="redis")
        return answer

    def leave(self) -> None:
        """The server is left for another one, for good: what stands in line is not sent to it any more."""
        self._left = True
        queue, self._queue = self._queue, []
        for _, answer in queue:
            if not answer.done():
                answer.set_exception(_gone())

    async def aclose(self) -> None:
        """Once all that was given has been sent."""
        if self._sender is not None:
            with suppress(asyncio.CancelledError):
                await self._sender

    async def _send_all(self) -> None:
        try:
            while self._queue:
                await self._send(self._take())
        finally:
            self._sender = None

    def _take(self) -> list[_Waiting]:
        taken, size = 0, 0
        for commands, _ in self._queue:
            if taken and size + len(commands) > _BATCH:
                break
            taken, size = taken + 1, size + len(commands)
        batch, self._queue = self._queue[:taken], self._queue[taken:]
        return batch

    async def _send(self, batch: list[_Waiting]) -> None:
        try:
            replies = await self.exchange([command for commands, _ in batch for command in commands])
        except BaseException as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error if isinstance(error, Exception) else Unreachable("closed"))
            if isinstance(error, Exception):
                return
            raise
        at = 0
        for commands, answer in batch:
            if not answer.done():
                answer.set_result(replies[at : at + len(commands)])
            at += len(commands)

    async def exchange(self, commands: list[Command]) -> list[Any]:
        """One round trip."""
        packed = b"".join([pack(tuple(command)) for command in commands])
        async with asyncio.timeout(_ANSWER_S):
            connection = await self._pool.get_connection()
            try:
                return await self._exchanged(connection, packed, len(commands))
            except BaseException:
                await connection.disconnect(nowait=True)  # what is still to come belongs to nobody
                raise
            finally:
                await self._pool.release(connection)

    async def _exchanged(self, connection: Any, packed: bytes, count: int) -> list[Any]:
        if self._left:  # while the connection was made
            raise _gone()
        await connection.send_packed_command(packed)
        return [await _reply(connection) for _ in range(count)]


def _gone() -> Exception:
    return RedisConnectionError("the server was left for another one")


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
