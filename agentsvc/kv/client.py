"""Commands to Redis: they travel in batches, and what waits on the server has a line of its own."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, cast

import hiredis
from redis.exceptions import (
    BusyLoadingError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from agentsvc.kv.dial import LOST, dial
from agentsvc.kv.errors import Refused, Unreachable
from agentsvc.kv.scripts import Script
from agentsvc.kv.subscriber import Subscriber

Arg = bytes | str | int | float
Command = Sequence[Arg]

_PASSING = (BusyLoadingError, MasterDownError, ReadOnlyError, OutOfMemoryError)
_PASSING_CODES = ("MISCONF", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN")
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
        self._commands = dial(url)
        self._waiting = dial(url)

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

    async def each(self, *commands: Command) -> list[Any]:
        """The replies to several commands, which are carried out in any order."""
        return await self.all(*commands) if commands else []

    async def scan(self, pattern: str, *, batch: int = 200) -> AsyncGenerator[list[bytes]]:
        """The names of all keys like a pattern, about ``batch`` at a time; none is twice in a batch.

        A key that is there all the time is found. It may be found in several batches.
        """
        cursor = b"0"
        while True:
            cursor, names = await self.run("SCAN", cursor, "MATCH", pattern, "COUNT", batch)
            if names:
                yield sorted(set(names))
            if cursor == b"0":
                return

    async def wait(self, *command: Arg, within: float) -> Any:
        """The reply to one command that blocks on the server, sent on a connection of its own.

        ``within`` is in seconds, and longer than the server may block: a connection that is silent beyond it is lost.
        """
        try:
            async with asyncio.timeout(within):
                return await self._waiting.execute_command(*command)
        except LOST as error:
            raise Unreachable(str(error)) from error
        except ResponseError as error:
            raise Refused(str(error)) from error

    def subscriber(self) -> Subscriber:
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
                passing = next((reply for reply in replies if _will_pass(reply)), None)
                if passing is None:
                    return replies
                error: Exception = passing
            except LOST as lost:
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


def _will_pass(reply: Any) -> bool:
    """Whether it is refused for a while, and before anything of it was carried out."""
    return isinstance(reply, _PASSING) or (isinstance(reply, ResponseError) and str(reply).startswith(_PASSING_CODES))


def _settle(answer: asyncio.Future[list[Any]], replies: list[Any]) -> None:
    for reply in replies:
        if isinstance(reply, RedisError):
            answer.set_exception(Refused(str(reply)))
            return
    answer.set_result(replies)
