"""The primary of a service, which sentinels watch and replace."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from agentsvc.kv.address import Address, Host
from agentsvc.kv.commands import Command, pack
from agentsvc.kv.dial import LOST, dial_sentinel
from agentsvc.kv.node import Node
from agentsvc.kv.patience import spread
from agentsvc.kv.topology import Topology, retire

_SENTINEL_S = 1.0  # seconds that a sentinel may take
_AGAIN_S = 1.0  # seconds until a sentinel that was lost is listened to again


class Sentinel(Topology):
    """What most sentinels say is the primary, and says so itself: one that is back may not know yet that it was
    replaced.
    """

    def __init__(self, address: Address) -> None:
        super().__init__(address)
        self._sentinels = [dial_sentinel(address, host) for host in address.hosts]

    def node_of(self, command: Command) -> Node:  # noqa: ARG002 - there is no choice
        return self.nodes[0]

    async def watch(self) -> None:
        # The one that was replaced takes writes until it is told, some ten seconds later; then they are lost.
        async with asyncio.TaskGroup() as group:
            for sentinel in self._sentinels:
                group.create_task(self._listen(sentinel), name="sentinel")

    async def aclose(self) -> None:
        await super().aclose()
        for sentinel in self._sentinels:
            await sentinel.disconnect()

    async def _look(self) -> None:
        host = await self._primary()
        node = next((known for known in self.nodes if known.host == host), None) or Node(self.address, host)
        if not await _is_primary(node):
            await retire(node)
            raise RedisConnectionError("what the sentinels name as primary is none yet")
        replaced = [known for known in self.nodes if known is not node]
        self.nodes = (node,)
        for known in replaced:
            await known.hang_up()

    async def _listen(self, sentinel: Any) -> None:
        while True:
            with suppress(*LOST, RedisError):
                await self._hear(sentinel)
            await asyncio.sleep(spread(_AGAIN_S))

    async def _hear(self, sentinel: Any) -> None:
        connection = await sentinel.get_connection()
        try:
            await connection.send_packed_command(pack(("SUBSCRIBE", "+switch-master")))
            while True:
                heard = await connection.read_response(disconnect_on_error=False)
                if heard[0] == b"subscribe" or heard[2].split()[0] == self.address.service.encode():
                    with suppress(*LOST):
                        await self.refresh(self.changes)
        finally:
            await connection.disconnect(nowait=True)
            await sentinel.release(connection)

    async def _primary(self) -> Host:
        answers = await asyncio.gather(*(self._ask(sentinel) for sentinel in self._sentinels), return_exceptions=True)
        named = Counter(answer for answer in answers if isinstance(answer, tuple))
        if not named:
            raise _reason(answers)
        return named.most_common(1)[0][0]

    async def _ask(self, sentinel: Any) -> Host | None:
        async with asyncio.timeout(_SENTINEL_S):
            connection = await sentinel.get_connection()
            try:
                await connection.send_packed_command(
                    pack(("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.address.service))
                )
                found = await connection.read_response()
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            finally:
                await sentinel.release(connection)
        return (found[0].decode(), int(found[1])) if found else None


async def _is_primary(node: Node) -> bool:
    try:
        async with asyncio.timeout(_SENTINEL_S):
            return bool((await node.ask(("ROLE",)))[0] == b"master")
    except AuthenticationError:
        raise
    except LOST:
        return False


def _reason(answers: Sequence[object]) -> Exception:
    errors = [answer for answer in answers if isinstance(answer, (RedisError, OSError))]
    denied = [error for error in errors if isinstance(error, AuthenticationError)]
    if denied:
        return denied[0]
    why = str(errors[0]) or type(errors[0]).__name__ if errors else "they do not know this service"
    return RedisConnectionError(f"no sentinel names a primary: {why}")
