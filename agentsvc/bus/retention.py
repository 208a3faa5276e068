"""Sessions that nobody has used for long: how they are found, and how nobody can use them while they are removed."""

import re
from collections.abc import AsyncGenerator, Sequence
from urllib.parse import unquote

from agentsvc.bus import keys
from agentsvc.domain.ids import OwnerId, SessionId
from agentsvc.kv.client import Redis
from agentsvc.kv.scripts import Script

_RETIRE = Script("agentsvc.bus", "retire")
_HOLD = Script("agentsvc.bus", "hold")

_NOBODY = "-"
_HEAD = re.compile(rb"\{s:([A-Za-z0-9_.~%-]+)\}:run")


class Retention:
    """One sweeper at a time looks at all sessions; then nobody does for a time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def hold(self, worker: str, seconds: float) -> bool:
        """Be the sweeper for so long, or so much longer; False when somebody else is, or nobody shall be."""
        return await self._hold(worker, worker, seconds)

    async def rest(self, worker: str, seconds: float) -> None:
        """The sweeper has seen all: for so long there is none."""
        await self._hold(worker, _NOBODY, seconds)

    async def sessions(self, batch: int) -> AsyncGenerator[list[SessionId]]:
        """All sessions, page by page; one that is there all the time is found. ``batch`` keys are looked at a page."""
        async for names in self._redis.scan(keys.EVERY_HEAD, batch=batch):
            heads = [_HEAD.fullmatch(name) for name in names]
            yield [SessionId(unquote(head[1].decode())) for head in heads if head is not None]

    async def retire(self, session_ids: Sequence[SessionId], unused_s: float) -> list[tuple[OwnerId, SessionId]]:
        """Mark those that nobody has used for so long, and give all that are marked, with their owners.

        One that runs or has something waiting is in use. One that does not say when it was used counts as used now.
        Nothing can be sent to one that is marked. It has to be removed: it stays marked when the process dies.
        """
        names = [keys.of_session(session_id) for session_id in session_ids]
        commands = [self._redis.evalsha(_RETIRE, (each.head, each.inbox), (int(unused_s * 1000),)) for each in names]
        owners: list[bytes] = await self._redis.each(*commands)
        return [
            (OwnerId(owner.decode()), session_id)
            for owner, session_id in zip(owners, session_ids, strict=True)
            if owner
        ]

    async def _hold(self, holder: str, then: str, seconds: float) -> bool:
        return bool(await self._redis.call(_HOLD, (keys.SWEEPING,), (holder, then, int(seconds * 1000))))
