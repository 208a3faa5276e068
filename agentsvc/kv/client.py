"""The connection to Redis: commands travel in batches, and what waits has a line of its own."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

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
        self._commands = _client(url, socket_timeout=5.0)
        self._waiting = _client(url, socket_timeout=None)

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
        pipe = self._commands.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        replies: list[Any] = await pipe.execute(raise_on_error=False)
        for place, reply in enumerate(replies):
            if isinstance(reply, NoScriptError):
                replies[place] = await self._again(commands[place])
        return replies

    async def _again(self, command: Command) -> Any:
        """Run a script that the server has forgotten."""
        await self._commands.execute_command("SCRIPT LOAD", self._scripts[str(command[1])].text)
        try:
            return await self._commands.execute_command(*command)
        except ResponseError as error:
            return error


def _settle(answer: asyncio.Future[list[Any]], replies: list[Any]) -> None:
    for reply in replies:
        if isinstance(reply, RedisError):
            answer.set_exception(Refused(str(reply)))
            return
    answer.set_result(replies)


class Subscriber:
    """Hears channels. Lost connections are made again and all channels subscribed again."""

    def __init__(self, url: str) -> None:
        self._client = _client(url, socket_timeout=None)
        self._pubsub = self._client.pubsub()

    async def subscribe(self, *channels: bytes) -> None:
        await self._settled(lambda: self._pubsub.subscribe(*channels))

    async def unsubscribe(self, *channels: bytes) -> None:
        """Hear these no more, also after the connection was made again."""
        try:
            await self._settled(lambda: self._pubsub.unsubscribe(*channels))
        finally:
            for channel in channels:  # the client would do it when it reads the answer, but the answers are read here
                self._pubsub.channels.pop(channel, None)
                self._pubsub.pending_unsubscribe_channels.discard(channel)

    async def listen(self) -> tuple[bytes, bytes, bytes]:
        """The next thing heard: kind (``message``, ``subscribe``, ``unsubscribe``), channel, payload.

        A ``subscribe`` for a channel that was subscribed before says that the connection was lost in between.
        """
        try:
            while True:
                heard: list[Any] | None = await self._pubsub.parse_response(block=True)
                if heard is not None and len(heard) >= 3:
                    return heard[0], heard[1], heard[2]
        except _LOST as error:
            raise Unreachable(str(error)) from error

    async def aclose(self) -> None:
        await self._pubsub.aclose()
        await self._client.aclose()

    async def _settled(self, send: Callable[[], Awaitable[Any]]) -> None:
        try:
            await send()
        except _LOST as error:
            raise Unreachable(str(error)) from error


def _client(url: str, *, socket_timeout: float | None) -> Any:
    """A client that sends each command once and hands replies on as they are."""
    over_tcp = {} if url.startswith("unix:") else {"socket_connect_timeout": 5.0, "socket_keepalive": True}
    make: Any = cast("Any", aioredis.Redis).from_url
    client = make(url, protocol=2, socket_timeout=socket_timeout, retry=Retry(NoBackoff(), 0), **over_tcp)
    client.response_callbacks.clear()
    return client
