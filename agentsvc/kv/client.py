"""The connection to Redis: commands travel in batches, and what waits has a line of its own."""

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

import hiredis
import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, MasterDownError, NoScriptError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from agentsvc.kv.errors import Refused, Unreachable
from agentsvc.kv.scripts import Script

Arg = bytes | str | int | float
Command = Sequence[Arg]

_LOST = (RedisConnectionError, RedisTimeoutError, OSError)
_PASSING = (BusyLoadingError, MasterDownError, ReadOnlyError)
_BATCH = 256  # commands a round trip
_ANSWER_S = 5.0  # seconds until a batch is given up for lost


def evalsha(script: Script, keys: Sequence[Arg], args: Sequence[Arg]) -> Command:
    """The command that runs a script."""
    return ("EVALSHA", script.sha, len(keys), *keys, *args)


class Redis:
    """A Redis, Valkey or compatible server.

    While one batch is under way the next one gathers, so that many callers share a round trip and a single one does
    not wait. A command whose answer was lost is sent again until ``patience`` (seconds) has passed, then
    ``Unreachable`` is raised: every command must therefore be safe to repeat. Replies are raw: bytes, integers, lists
    and None.
    """

    def __init__(self, url: str, *, patience: float = 4.0) -> None:
        self.url = url
        self._patience = patience
        self._queue: list[tuple[Sequence[Command], asyncio.Future[list[Any]]]] = []
        self._sender: asyncio.Task[None] | None = None
        self._scripts: dict[str, Script] = {}
        self._commands = _client(url)
        self._waiting = _client(url)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sender is not None:
            with suppress(asyncio.CancelledError):
                await self._sender
        await self._commands.aclose()
        await self._waiting.aclose()

    async def run(self, *command: Arg) -> Any:
        """The reply to one command."""
        return (await self.all(command))[0]

    async def call(self, script: Script, keys: Sequence[Arg], args: Sequence[Arg] = ()) -> Any:
        """The reply of one script."""
        self._scripts[script.sha] = script
        return (await self.all(evalsha(script, keys, args)))[0]

    def evalsha(self, script: Script, keys: Sequence[Arg], args: Sequence[Arg] = ()) -> Command:
        """A script as one of several commands of ``all``."""
        self._scripts[script.sha] = script
        return evalsha(script, keys, args)

    async def all(self, *commands: Command) -> list[Any]:
        """The replies to several commands, which Redis carries out in this order."""
        answer: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        self._queue.append((commands, answer))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_all(), name="redis")
        return await answer

    async def wait(self, *command: Arg) -> Any:
        """The reply to one command that blocks on the server, sent on a connection of its own."""
        try:
            return await self._waiting.execute_command(*command)
        except _LOST as error:
            raise Unreachable(str(error)) from error
        except ResponseError as error:
            raise Refused(str(error)) from error

    def subscriber(self) -> "Subscriber":
        """A connection that hears what is published."""
        return Subscriber(self.url)

    async def _send_all(self) -> None:
        try:
            while self._queue:
                await self._send(self._take())
        finally:
            self._sender = None

    def _take(self) -> list[tuple[Sequence[Command], asyncio.Future[list[Any]]]]:
        taken, size = 0, 0
        for commands, _ in self._queue:
            if taken and size + len(commands) > _BATCH:
                break
            taken, size = taken + 1, size + len(commands)
        batch, self._queue = self._queue[:taken], self._queue[taken:]
        return batch

    async def _send(self, batch: list[tuple[Sequence[Command], asyncio.Future[list[Any]]]]) -> None:
        try:
            replies = await self._exchange([command for commands, _ in batch for command in commands])
        except BaseException as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error if isinstance(error, Exception) else Unreachable("closed"))
            if isinstance(error, Exception):
                return
            raise
        at = 0
        for commands, answer in batch:
            mine = replies[at : at + len(commands)]
            at += len(commands)
            if not answer.done():
                _settle(answer, mine)

    async def _exchange(self, commands: list[Command]) -> list[Any]:
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + self._patience, 0.02
        while True:
            try:
                replies = await self._pipeline(commands)
                if not any(isinstance(reply, _PASSING) for reply in replies):
                    return replies
                error: Exception = next(reply for reply in replies if isinstance(reply, _PASSING))
            except _LOST as lost:
                error = lost
            if loop.time() + pause > until:
                raise Unreachable(str(error)) from error
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, guards nothing
            pause = min(pause * 2, 0.5)

    async def _pipeline(self, commands: list[Command]) -> list[Any]:
        replies = await self._round_trip(commands)
        forgotten = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
        if forgotten:
            scripts = {str(commands[place][1]) for place in forgotten}
            loads: list[Command] = [("SCRIPT", "LOAD", self._scripts[sha].text) for sha in scripts]
            again = await self._round_trip([*loads, *(commands[place] for place in forgotten)])
            for place, reply in zip(forgotten, again[len(loads) :], strict=True):
                replies[place] = reply
        return replies

    async def _round_trip(self, commands: list[Command]) -> list[Any]:
        packed = b"".join([_pack(tuple(command)) for command in commands])
        pool = self._commands.connection_pool
        async with asyncio.timeout(_ANSWER_S):
            connection = await pool.get_connection()
            try:
                await connection.send_packed_command(packed)
                return [await _reply(connection) for _ in commands]
            except BaseException:
                await connection.disconnect(nowait=True)  # what is still to come belongs to nobody
                raise
            finally:
                await pool.release(connection)


# Its stub forgets that a tuple of narrower types will do.
_pack: Callable[[tuple[Arg, ...]], bytes] = cast("Any", hiredis).pack_command


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


def _settle(answer: asyncio.Future[list[Any]], replies: list[Any]) -> None:
    for reply in replies:
        if isinstance(reply, RedisError):
            answer.set_exception(Refused(str(reply)))
            return
    answer.set_result(replies)


class Subscriber:
    """Hears channels over one connection, which only ``listen`` makes, reads and makes again.

    So nobody who subscribes has to deal with a loss: what is wanted is said whenever there is a connection.
    """

    def __init__(self, url: str) -> None:
        self._client = _client(url)
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
        except (*_LOST, RedisError) as error:
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
            with suppress(*_LOST):
                await self._connection.send_command(command, *channels, check_health=False)


def _client(url: str) -> Any:
    """A client that sends each command once, waits for its answer without an end, and hands it on as it is."""
    over_tcp = {} if url.startswith("unix:") else {"socket_connect_timeout": 5.0, "socket_keepalive": True}
    make: Any = cast("Any", aioredis.Redis).from_url
    client = make(url, protocol=2, socket_timeout=None, retry=Retry(NoBackoff(), 0), **over_tcp)
    client.response_callbacks.clear()
    return client
