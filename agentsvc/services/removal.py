"""Removal: records and what is live of them go together, also when the process dies in between."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import msgspec

from agentsvc.bus.bus import MessageBus
from agentsvc.domain.errors import NotFound
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.storage.store import StorageBase

Kind = Literal["agent", "session"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Removal:
    """Each removal is noted on the bus before it begins and forgotten when done; the janitor ends what it finds."""

    storage: StorageBase
    bus: MessageBus

    async def session(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId | None = None) -> None:
        """Remove a session: its record, its approvals, its conversation and its run. No error when it is gone already.

        Only one whose record cannot be read needs its ``agent_id``.
        """
        note = _note(owner, "session", session_id)
        await self.bus.removals.add(note)
        with suppress(NotFound):
            await self.storage.of(owner).sessions.delete(session_id, within=agent_id)
        await self._approvals_of(owner, session_id)
        await self.bus.heads.remove(session_id)
        await self.bus.removals.remove(note)

    async def agent(self, owner: OwnerId, agent_id: AgentId) -> None:
        """Remove an agent after its sessions. No error when it is gone already."""
        note = _note(owner, "agent", agent_id)
        await self.bus.removals.add(note)
        await self._sessions_of(owner, agent_id)
        with suppress(NotFound):
            await self.storage.of(owner).agents.delete(agent_id)
        # Those that were made while the agent was still there; see Sessions for those that come after.
        await self._sessions_of(owner, agent_id)
        await self.bus.removals.remove(note)

    async def resume(self, note: bytes) -> None:
        """End what a process began that is no longer there."""
        try:
            owner, kind, record_id = decode_removal(note)
        except msgspec.MsgspecError:
            log.exception("unreadable note of a removal dropped")
            await self.bus.removals.remove(note)
            return
        if kind == "session":
            await self.session(owner, SessionId(record_id))
        else:
            await self.agent(owner, AgentId(record_id))

    async def _sessions_of(self, owner: OwnerId, agent_id: AgentId) -> None:
        async for session_id in self.storage.of(owner).sessions.ids_within(agent_id):
            await self.session(owner, SessionId(session_id), agent_id)

    async def _approvals_of(self, owner: OwnerId, session_id: SessionId) -> None:
        """After the record of the session: without it no approval can come any more."""
        approvals = self.storage.of(owner).approvals
        ids = [approval_id async for approval_id in approvals.ids_within(session_id)]
        await self.bus.expiring.remove(owner, session_id, ids)
        if ids:
            await approvals.forget(session_id)


def _note(owner: OwnerId, kind: Kind, record_id: str) -> bytes:
    return _encode([owner, kind, record_id])


_encode = msgspec.json.Encoder().encode
decode_removal = msgspec.json.Decoder(tuple[OwnerId, Kind, str]).decode
