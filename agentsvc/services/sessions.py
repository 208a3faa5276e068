"""Sessions: the conversations of one user."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from agentsvc.bus.bus import MessageBus
from agentsvc.bus.heads import Head
from agentsvc.domain.errors import Invalid, NotFound, Problem, SessionBusy
from agentsvc.domain.ids import AgentId, NewId, OwnerId, SessionId, new_id
from agentsvc.domain.records import Page, changed
from agentsvc.domain.sessions import (
    ChatModelConfig,
    CreateSession,
    KnowledgeConfig,
    SessionConfig,
    SessionRecord,
    SessionStatus,
    SessionView,
    UpdateSession,
)
from agentsvc.domain.states import AgentState
from agentsvc.models.catalog import ModelCatalog
from agentsvc.models.demo import DEMO_CONFIG
from agentsvc.services.removal import Removal
from agentsvc.storage.store import StorageBase

_CHAT_MODELS = ("chat_model_config", "fallback_chat_model_config")


@dataclass(frozen=True)
class Sessions:
    """A session has a record, which its owner sees, and a head on the bus, which lets it be written to.

    Everything raises NotFound for a session that is not there, is somebody else's or belongs to another agent.
    """

    storage: StorageBase
    bus: MessageBus
    removal: Removal
    catalog: ModelCatalog

    async def create(self, owner: OwnerId, data: CreateSession, new_id: NewId = new_id) -> SessionRecord:
        """The session that has the new id; it may be there from an earlier attempt.

        Without a model, an owner who has no credential gets the demo, so that everything can be tried at once.
        Raises NotFound for an agent, a credential or a knowledge base that the owner does not have, and Invalid.
        """
        await self.storage.of(owner).agents.get(data.agent_id)
        await self._check(owner, data)
        config = SessionConfig(
            name=data.name or datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            workspace_id=data.workspace_id,
            chat_model_config=data.chat_model_config or await self._demo(owner),
            fallback_chat_model_config=data.fallback_chat_model_config,
            tts_model_config=data.tts_model_config,
            knowledge_config=data.knowledge_config,
            permission_rules=data.permission_rules,
            working_directories=data.working_directories,
        )
        record = SessionRecord(
            user_id=owner, id=new_id(), agent_id=data.agent_id, config=config, permission_mode=data.permission_mode
        )
        record = await self.storage.of(owner).sessions.create_once(record)
        await self._open(owner, record)
        return record

    async def get(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId) -> SessionView:
        record = await self._record(owner, session_id, agent_id)
        head, state = await asyncio.gather(
            self.bus.heads.many(owner, [session_id]), self._state(owner, session_id, agent_id)
        )
        return _view(record, head[0], state)

    async def page(self, owner: OwnerId, agent_id: AgentId, limit: int, cursor: str | None = None) -> Page[SessionView]:
        """The agent's sessions, newest first. Raises NotFound for an agent that the owner does not have."""
        records = self.storage.of(owner)
        await records.agents.get(agent_id)
        page = await records.sessions.page(limit, cursor, within=agent_id)
        heads = await self.bus.heads.many(owner, [SessionId(record.id) for record in page.items])
        views = [_view(record, head) for record, head in zip(page.items, heads, strict=True)]
        return Page(items=views, total=page.total, next_cursor=page.next_cursor)

    async def update(
        self,
        owner: OwnerId,
        session_id: SessionId,
        agent_id: AgentId,
        changes: UpdateSession,
        version: int | None = None,
    ) -> SessionRecord:
        """Raises SessionBusy while a run holds the session, VersionConflict when a version is given that is not its."""
        await self._record(owner, session_id, agent_id)
        await self._check(owner, changes)
        if (await self.head(owner, session_id, agent_id)).running:
            raise SessionBusy
        sent = changed(changes)
        mode = sent.pop("permission_mode", None)

        def change(record: SessionRecord) -> SessionRecord:
            wanted = replace(
                record, config=replace(record.config, **sent), permission_mode=mode or record.permission_mode
            )
            return record if wanted == record else wanted

        record = await self.storage.of(owner).sessions.update(session_id, change, version)
        return _shown(record, await self._state(owner, session_id, agent_id))

    async def delete(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId) -> None:
        """The session with its conversation; a run that holds it stops, its streams end."""
        await self._record(owner, session_id, agent_id)
        await self.removal.session(owner, session_id)

    async def status(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId) -> SessionStatus:
        head = await self.head(owner, session_id, agent_id)
        return SessionStatus(session_id=session_id, status=head.status)

    async def head(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId) -> Head:
        """What the session is doing."""
        try:
            return await self.bus.heads.get(owner, session_id, agent_id)
        except NotFound:
            await self.revive(owner, session_id, agent_id)
            return await self.bus.heads.get(owner, session_id, agent_id)

    async def revive(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId) -> None:
        """Give a session its head, which it lacks when the process that created it died in between."""
        await self._open(owner, await self._record(owner, session_id, agent_id))

    async def _open(self, owner: OwnerId, record: SessionRecord) -> None:
        """Make the head. When session or agent were deleted in the meantime nothing is left behind."""
        session_id = SessionId(record.id)
        await self.bus.heads.create(owner, session_id, record.agent_id)
        try:
            await self.storage.of(owner).sessions.get(session_id)
            await self.storage.of(owner).agents.get(record.agent_id)
        except NotFound:
            await self.removal.session(owner, session_id)
            raise

    async def _record(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId) -> SessionRecord:
        record = await self.storage.of(owner).sessions.get(session_id)
        if record.agent_id != agent_id:
            raise NotFound("session not found")
        return record

    async def _state(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId) -> AgentState | None:
        with suppress(NotFound):  # a session whose head has yet to be made
            return await self.bus.states.get(owner, session_id, agent_id)
        return None

    async def _demo(self, owner: OwnerId) -> ChatModelConfig | None:
        owned = await self.storage.of(owner).credentials.page(1)
        return None if owned.total else DEMO_CONFIG

    async def _check(self, owner: OwnerId, data: CreateSession | UpdateSession) -> None:
        """Whether the owner has what the configuration names."""
        for name, model in _models(data):
            if model == DEMO_CONFIG:
                continue
            credential = await self.storage.of(owner).credentials.get(model.credential_id)
            if credential.type != model.type:
                problem = Problem(f"{name}.type", f"the credential is of type {credential.type}")
                raise Invalid(f"{problem.path}: {problem.message}", (problem,))
            if name in _CHAT_MODELS:
                self.catalog.check(model, name)
        if isinstance(data.knowledge_config, KnowledgeConfig) and data.knowledge_config.knowledge_base_ids:
            raise NotFound("knowledge base not found")


def _models(data: CreateSession | UpdateSession) -> Iterable[tuple[str, ChatModelConfig]]:
    for name in (*_CHAT_MODELS, "tts_model_config"):
        model = getattr(data, name)
        if isinstance(model, ChatModelConfig):
            yield name, model


def _view(record: SessionRecord, head: Head | None, state: AgentState | None = None) -> SessionView:
    status = head.status if head else "idle"
    return SessionView(session=_shown(record, state), status=status, is_running=status == "running")


def _shown(record: SessionRecord, known: AgentState | None = None) -> SessionRecord:
    """The record with what is known of its plan and of the rules that answers have made, but no conversation."""
    state = AgentState(session_id=record.id)
    if known is not None:
        state.tasks_context, state.permission_context = known.tasks_context, known.permission_context
    state.permission_context = replace(state.permission_context, mode=record.permission_mode)
    return replace(record, state=state)
