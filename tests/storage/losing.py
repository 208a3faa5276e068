"""A connection on which answers are lost."""

from collections.abc import Awaitable, Callable
from typing import Any

from agentsvc.kv.client import Command, Redis


async def nothing() -> None:
    """What happens in between when nothing does."""


class LosingRedis(Redis):
    """Everything is carried out, its answer lost, ``between`` happens, and then it is asked for again."""

    between: Callable[[], Awaitable[object]] = staticmethod(nothing)

    async def all(self, *commands: Command) -> list[Any]:
        await super().all(*commands)
        await self.between()
        return await super().all(*commands)
