"""Runs: what was asked of agents, and what became of it."""

from dataclasses import dataclass

from agentsvc.bus.bus import MessageBus
from agentsvc.domain.errors import NotFound
from agentsvc.domain.ids import AgentId, OwnerId, RunId, SessionId
from agentsvc.domain.records import Page
from agentsvc.domain.runs import RunView
from agentsvc.storage.store import StorageBase


@dataclass(frozen=True)
class Runs:
    """Raises NotFound for what is not there or somebody else's."""

    storage: StorageBase
    bus: MessageBus

    async def get(self, owner: OwnerId, run_id: RunId) -> RunView:
        return await self.bus.runs.get(owner, run_id)

    async def page(
        self,
        owner: OwnerId,
        session_id: SessionId,
        limit: int,
        cursor: str | None = None,
        *,
        agent_id: AgentId | None = None,
    ) -> Page[RunView]:
        """The runs of a session, newest first. With an ``agent_id`` the session has to be that agent's."""
        try:
            return await self.bus.runs.page(owner, session_id, limit, cursor, agent_id=agent_id)
        except NotFound:
            # A session has no head when the process that created it died in between; then nothing has run in it.
            record = await self.storage.of(owner).sessions.get(session_id)
            if agent_id not in (None, record.agent_id):
                raise
            return Page(items=[], total=0)
