"""Agents: who answers, as its owner has set it up."""

from dataclasses import dataclass

from msgspec.structs import asdict, replace

from agentsvc.domain.agents import AgentData, AgentRecord, AgentView, CreateAgent, UpdateAgent
from agentsvc.domain.ids import AgentId, NewId, OwnerId, new_id
from agentsvc.domain.records import Page, changed
from agentsvc.services.removal import Removal
from agentsvc.storage.store import StorageBase


@dataclass(frozen=True)
class Agents:
    """Everything about agents raises NotFound when there is none with this id, or it is somebody else's."""

    storage: StorageBase
    removal: Removal

    async def create(self, owner: OwnerId, data: CreateAgent, new_id: NewId = new_id) -> AgentView:
        """The agent that has the new id; it may be there from an earlier attempt."""
        agent_id = new_id()
        record = AgentRecord(user_id=owner, id=agent_id, data=AgentData(id=agent_id, **asdict(data)))
        return _view(await self.storage.of(owner).agents.create_once(record))

    async def get(self, owner: OwnerId, agent_id: AgentId) -> AgentView:
        return _view(await self.storage.of(owner).agents.get(agent_id))

    async def page(self, owner: OwnerId, limit: int, cursor: str | None = None) -> Page[AgentView]:
        page = await self.storage.of(owner).agents.page(limit, cursor)
        return Page(items=[_view(record) for record in page.items], total=page.total, next_cursor=page.next_cursor)

    async def update(
        self, owner: OwnerId, agent_id: AgentId, changes: UpdateAgent, version: int | None = None
    ) -> AgentView:
        """Raises VersionConflict when a version is given that is not the agent's."""
        sent = {name: value for name, value in changed(changes).items() if value is not None}

        def change(record: AgentRecord) -> AgentRecord:
            data = replace(record.data, **sent)
            return record if data == record.data else replace(record, data=data)

        return _view(await self.storage.of(owner).agents.update(agent_id, change, version))

    async def delete(self, owner: OwnerId, agent_id: AgentId) -> None:
        """The agent and all its sessions."""
        await self.storage.of(owner).agents.get(agent_id)
        await self.removal.agent(owner, agent_id)


def _view(record: AgentRecord) -> AgentView:
    return AgentView(**asdict(record))
