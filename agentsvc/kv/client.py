"""Commands to Redis: they travel in batches, and what waits on the server has a line of its own."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    MovedError,
    NoScriptError,
    RedisError,
    ResponseError,
)

from agentsvc.kv.address import Address, Kind, parse_address
from agentsvc.kv.cluster import Cluster
from agentsvc.kv.commands import Arg, Command
from agentsvc.kv.dial import LOST
from agentsvc.kv.errors import Denied, Refused, Unreachable
from agentsvc.kv.node import Node
from agentsvc.kv.patience import Patience
from agentsvc.kv.replies import elsewhere, passing
from agentsvc.kv.scripts import SCRIPTS, Script
from agentsvc.kv.sentinel import Sentinel
from agentsvc.kv.subscriber import Heard, Subscriber
from agentsvc.kv.topology import Standalone, Topology

__all__ = ["Arg", "Command", "Redis"]

_TOPOLOGIES: dict[Kind, Callable[[Address], Topology]] = {
    "standalone": Standalone,
    "sentinel": Sentinel,
    "cluster": Cluster,
}
_PATIENCE = 4.0  # seconds
# A fail-over takes 3 to 4 s where it is tuned to be quick. Less than a lease: who waits so long still holds its own.
_PATIENCE_WITH_REPLICAS = 8.0


class _Replaced(Exception):
    """A server that was meant, and no other, is a primary no more."""


class Redis:
    """A Redis, Valkey or compatible server, one that Sentinel watches, or a Cluster.

    While one batch is under way the next one gathers, so that many callers share a round trip and a single one does
    not wait. A command whose answer was lost is sent again until ``patience`` (seconds) has passed, then
    ``Unreachable`` is raised: every command must therefore be safe to repeat. Replies are raw: bytes, integers, lists
    and None. Raises AddressError for a URL that leads to no Redis.
    """

    def __init__(self, url: str, *, patience: float | None = None) -> None:
        self.url = url
        address = parse_address(url)
        self._topology = _TOPOLOGIES[address.kind](address)
        self._watching: asyncio.Task[None] | None = None
        self._patience = patience or (_PATIENCE_WITH_REPLICAS if self._topology.fails_over else _PATIENCE)

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._topology.watch(), name="topology")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._topology.aclose()

    async def run(self, *command: Arg) -> Any:
        """The reply to one command."""
        return (await self.all(command))[0]

    async def call(self, script: Script, keys: Sequence[Arg], args: Sequence[Arg] = ()) -> Any:
        """The reply of one script."""
        return (await self.all(self.evalsha(script, keys, args)))[0]

    def evalsha(self, script: Script, keys: Sequence[Arg], args: Sequence[Arg] = ()) -> Command:
        """A script as one of several commands of ``all``."""
        return ("EVALSHA", script.sha, len(keys), *keys, *args)

    async def all(self, *commands: Command) -> list[Any]:
        """The replies to several commands, which are carried out in this order.

        Those of one server travel together, and the next server's go off only when these are done. The first error
        ends it.
        """
        return await self._all(commands)

    async def each(self, *commands: Command) -> list[Any]:
        """The replies to several commands, which are carried out in any order: one round trip a server."""
        if not commands:
            return []
        await self._topology_known(commands[0])
        groups = self._topology.groups(commands)
        if len(groups) == 1:
            return await self.all(*commands)
        done = await asyncio.gather(
            *(self.all(*(commands[place] for place in places)) for places in groups), return_exceptions=True
        )
        replies: list[Any] = [None] * len(commands)
        for places, answers in zip(groups, done, strict=True):
            if isinstance(answers, BaseException):
                raise answers
            for place, answer in zip(places, answers, strict=True):
                replies[place] = answer
        return replies

    async def scan(self, pattern: str, *, batch: int = 200) -> AsyncGenerator[list[bytes]]:
        """The names of all keys like a pattern, about ``batch`` at a time; none is twice in a batch.

        A key that is there all the time is found. It may be found in several batches: when a server was lost meanwhile,
        all begins again.
        """
        while True:
            await self._topology_known(("SCAN",))
            seen = self._topology.changes
            for node in self._topology.nodes:
                cursor = b"0"
                while True:
                    command = ("SCAN", cursor, "MATCH", pattern, "COUNT", batch)
                    try:
                        cursor, names = (await self._all((command,), node))[0]
                    except _Replaced:
                        break
                    if names:
                        yield sorted(set(names))
                    if cursor == b"0" or self._topology.changes != seen:
                        break
            if self._topology.changes == seen:
                return

    async def members(self, key: Arg, *, batch: int = 500) -> AsyncGenerator[list[bytes]]:
        """The members of a sorted set, about ``batch`` at a time; one that is there all the time is found."""
        cursor = b"0"
        while True:
            cursor, found = await self.run("ZSCAN", key, cursor, "COUNT", batch)
            yield found[::2]
            if cursor == b"0":
                return

    async def wait(self, *command: Arg, within: float) -> Any:
        """The reply to one command that blocks on the server, sent on a connection of its own.

        ``within`` is in seconds, and longer than the server may block: a connection that is silent beyond it is lost.
        """
        seen = self._topology.changes
        try:
            async with asyncio.timeout(within):
                return await (await self._topology.route(command)).ask(command)
        except (*LOST, ResponseError) as error:
            if isinstance(error, ResponseError) and not passing(error):
                raise Refused(str(error)) from error
            await self._refresh(seen)
            raise _unreachable(error) from error

    def subscriber(self, heard: Heard) -> Subscriber:
        """What hears what is published, and tells ``heard``."""
        return Subscriber(self._topology, heard)

    async def _topology_known(self, command: Command) -> None:
        patience = None
        while not self._topology.nodes:
            try:
                await self._topology.route(command)
            except LOST as error:
                patience = patience or Patience(self._patience)
                await patience.spend(_lost(error))

    async def _all(self, commands: Sequence[Command], only: Node | None = None) -> list[Any]:
        """The replies to commands, of which those for ``only``, a server, go nowhere else."""
        topology, done = self._topology, list[Any]()
        patience: Patience | None = None
        cured = 0
        while len(done) < len(commands):
            rest = commands[len(done) :] if done else commands
            seen = topology.changes
            try:
                node = only or (topology.node_of(rest[0]) if topology.nodes else await topology.route(rest[0]))
                run = rest if only or len(rest) == 1 else rest[: topology.together(rest)]
                replies = await node.lane.send(run)
                good = _good(replies)
                if good == len(commands):
                    return replies
                done += replies[:good]
                if good == len(run):
                    continue
                error = await self._cure(replies[good], node, run[good:], done)
                if error is None:
                    continue
            except LOST as lost:
                error = _lost(lost)
            patience = patience or Patience(self._patience)
            if not isinstance(error, (AskError, NoScriptError)) or (cured := cured + 1) > 2:
                await patience.spend(error)
            if elsewhere(error):
                await self._refresh(seen)
                if only is not None and only not in topology.nodes:
                    raise _Replaced from error
        return done

    async def _cure(
        self, error: RedisError, node: Node, commands: Sequence[Command], done: list[Any]
    ) -> Exception | None:
        """Do what a server asks for instead of carrying out the first of these commands."""
        match error:
            case NoScriptError():
                await _tell_scripts(node, commands)
            case MovedError():
                self._topology.redirected(error, node)
            case AskError():
                asked = self._topology.redirected(error, node)
                _, reply = await asked.lane.send([("ASKING",), commands[0]])
                if not isinstance(reply, RedisError):
                    done.append(reply)
                    return None
                if isinstance(reply, NoScriptError):
                    await _tell_scripts(asked, commands[:1])
                error = reply
            case _:
                pass
        return error

    async def _refresh(self, seen: int) -> None:
        try:
            await self._topology.refresh(seen)
        except LOST as error:
            _lost(error)


async def _tell_scripts(node: Node, commands: Sequence[Command]) -> None:
    """Let a server know the scripts that these commands call."""
    scripts = {str(command[1]) for command in commands if command[0] == "EVALSHA"}
    for reply in await node.lane.send([("SCRIPT", "LOAD", SCRIPTS[sha].text) for sha in scripts]):
        if isinstance(reply, RedisError):
            raise Refused(str(reply))


def _good(replies: list[Any]) -> int:
    """How many are no error, from the first on. Raises Refused when the first error is one that stays."""
    for place, reply in enumerate(replies):
        if isinstance(reply, RedisError):
            if not passing(reply):
                raise Refused(str(reply))
            return place
    return len(replies)


def _lost(error: BaseException) -> Exception:
    """What is to be tried again. Raises Denied when that would not help."""
    if isinstance(error, (AuthenticationError, AuthorizationError)):
        raise Denied(f"Redis does not take this user name and password: {error}") from error
    return error if isinstance(error, Exception) else Unreachable(str(error))


def _unreachable(error: Exception) -> Unreachable:
    return Unreachable(str(_lost(error)) or type(error).__name__)
