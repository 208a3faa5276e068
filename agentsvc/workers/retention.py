"""Removes sessions that nobody has used for as long as is set."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing

from agentsvc.bus.bus import MessageBus
from agentsvc.domain.ids import SessionId
from agentsvc.services.removal import Removal
from agentsvc.workers.supervisor import pause

log = logging.getLogger(__name__)

_AT_ONCE = 500  # keys that are looked at between two pauses
_MARKED = 10  # sessions that are marked at a time: each is removed soon after
_PAUSE = 0.1  # seconds between them, so that Redis has time for others
_HELD = 30.0  # seconds after which a sweeper that is silent is replaced
_SHORTEST, _LONGEST = 1.0, 3600.0  # seconds from one sweep to the next
_LOOK = 10.0  # seconds after which a worker asks again whether it shall sweep


class Retention:
    """Any number of them may work side by side: one sweeps, and when it dies another one begins anew.

    What was removed is not there any more, so beginning anew costs only looking.
    """

    def __init__(self, bus: MessageBus, removal: Removal, keep_s: float) -> None:
        self._bus = bus
        self._removal = removal
        self._keep_s = keep_s
        self._rest = min(max(keep_s / 24, _SHORTEST), _LONGEST)

    async def serve(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if await self._bus.retention.hold(self._bus.worker, _HELD):
                await self._sweep(stop)
            await pause(stop, min(self._rest, _LOOK))

    async def _sweep(self, stop: asyncio.Event) -> None:
        async with aclosing(self._bus.retention.sessions(_AT_ONCE)) as pages:
            async for session_ids in pages:
                await self._remove(session_ids)
                await pause(stop, _PAUSE)
                if stop.is_set() or not await self._bus.retention.hold(self._bus.worker, _HELD):
                    return
        await self._bus.retention.rest(self._bus.worker, self._rest)

    async def _remove(self, session_ids: Sequence[SessionId]) -> None:
        for start in range(0, len(session_ids), _MARKED):
            retired = await self._bus.retention.retire(session_ids[start : start + _MARKED], self._keep_s)
            for owner, session_id in retired:
                log.info("session %s: removed, since nobody used it for %s s", session_id, self._keep_s)
                await self._removal.session(owner, session_id)
