"""Answers what nobody has answered in time."""

import asyncio
import logging

from agentsvc.bus.bus import MessageBus
from agentsvc.services.approvals import Approvals
from agentsvc.workers.supervisor import pause

log = logging.getLogger(__name__)

_EVERY = 1.0  # seconds between rounds


class Expiry:
    """Any number of them may work side by side: what they answer is kept once."""

    def __init__(self, bus: MessageBus, approvals: Approvals) -> None:
        self._bus = bus
        self._approvals = approvals

    async def serve(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            for due in await self._bus.expiring.due():
                log.info("session %s: nobody answered %s in time", due.expiry.session_id, due.expiry.approval_id)
                await self._approvals.expire(due)
            await pause(stop, _EVERY)
