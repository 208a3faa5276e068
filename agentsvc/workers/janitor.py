"""Finishes what a crash left half-done: accepted but never announced, removal begun but not ended."""

import asyncio
import logging

from agentsvc.bus.bus import MessageBus
from agentsvc.services.removal import Removal
from agentsvc.workers.supervisor import pause

log = logging.getLogger(__name__)

_EVERY = 2.0  # seconds between rounds
_OVERDUE = 5.0  # seconds after which nobody is still at it


class Janitor:
    """Any number of them may work side by side: everything it does is safe to do twice."""

    def __init__(self, bus: MessageBus, removal: Removal) -> None:
        self._bus = bus
        self._removal = removal

    async def serve(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            for request in await self._bus.queue.unannounced(_OVERDUE):
                log.info("session %s: announced again", request.session_id)
                await self._bus.queue.push(request)
            for note in await self._bus.removals.overdue(_OVERDUE):
                log.info("removal resumed: %s", note.decode())
                await self._removal.resume(note)
            await pause(stop, _EVERY)
