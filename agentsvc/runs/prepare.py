"""From records to an agent that can reply."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from agentsvc.agent.agent import Agent, AgentMiddleware
from agentsvc.agent.groups import ToolGroup
from agentsvc.agent.model import ChatModelBase, ModelDelta, ModelRequest
from agentsvc.agent.permissions import with_rules
from agentsvc.agent.sources import ToolSource
from agentsvc.agent.tool import ToolBase
from agentsvc.agent.toolkit import Toolkit
from agentsvc.bus.leases import Grant
from agentsvc.domain.agents import AgentRecord
from agentsvc.domain.errors import AgentServiceError, ModelError, NotFound
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.domain.messages import ToolCallBlock
from agentsvc.domain.permissions import PermissionContext, WorkingDirectory
from agentsvc.domain.sessions import ChatModelConfig
from agentsvc.domain.states import AgentState
from agentsvc.models.catalog import ModelCatalog
from agentsvc.models.credentials import CredentialFactory
from agentsvc.models.demo import DEMO_CONFIG
from agentsvc.runs.workplace import Workplaces
from agentsvc.services.approvals import Approvals
from agentsvc.services.credentials import opened
from agentsvc.storage.store import Bundle, StorageBase
from agentsvc.storage.vault import Vault

log = logging.getLogger(__name__)

_ATTEMPTS = 3  # times that a reply may take its worker down with it

T = TypeVar("T")
Factory = Callable[[OwnerId, AgentId, SessionId], Awaitable[Sequence[T]]]
ToolFactory = Factory[ToolBase | ToolSource | ToolGroup]
MiddlewareFactory = Factory[AgentMiddleware]


@dataclass(frozen=True)
class Prepare:
    """``extra_tools`` and ``extra_middlewares`` are asked anew for each reply: user, agent, session."""

    storage: StorageBase
    vault: Vault
    credentials: CredentialFactory
    catalog: ModelCatalog
    approvals: Approvals
    workplaces: Workplaces
    extra_tools: ToolFactory | None = None
    extra_middlewares: MiddlewareFactory | None = None

    async def records(self, owner: OwnerId, session_id: SessionId) -> Bundle | None:
        """None when the session is gone, or cannot be read."""
        try:
            return await self.storage.of(owner).bundle(session_id)
        except NotFound:
            return None
        except ConnectionError:
            raise
        except Exception:
            log.exception("session %s: its records cannot be read", session_id)
            return None

    async def agent(self, grant: Grant, records: Bundle | None) -> Agent:
        """An agent for the next reply. One that cannot be made has a model that says why, and the reply ends so."""
        if grant.attempts >= _ATTEMPTS:
            return unprepared(records, f"The reply failed {grant.attempts} times and was given up.")
        try:
            return await self._agent(grant, records)
        except AgentServiceError as error:
            log.warning("session %s: the agent cannot be set up: %s", grant.session_id, error)
            return unprepared(records, error.detail)
        except Exception:
            log.exception("session %s: the agent cannot be set up", grant.session_id)
            return unprepared(records)

    async def _agent(self, grant: Grant, records: Bundle | None) -> Agent:
        record, chosen, spare = _parts(records)
        model = self._model(chosen, records)
        place = await self.workplaces.of(grant)
        middlewares = await _made(self.extra_middlewares, grant)
        given = await _made(self.extra_tools, grant)
        groups = [each for each in given if isinstance(each, ToolGroup)]
        tools: list[ToolBase | ToolSource] = [*place.tools(model.input_types)]
        tools += [each for each in given if not isinstance(each, ToolGroup)]
        for middleware in middlewares:
            tools += await middleware.list_tools()
        return Agent(
            name=record.data.name,
            system_prompt=record.data.system_prompt,
            model=model,
            fallback=self._model(spare, records) if spare is not None else None,
            toolkit=Toolkit(tools, groups, [place.skills] if place.skills is not None else []),
            middlewares=middlewares,
            config=record.data.react_config,
            instructions=place.instructions,
            offload=place.workspace.offload if place.workspace is not None else None,
            context_config=record.data.context_config,
            injection_config=record.data.injection_config,
            approval_config=record.data.approval_config,
            permissions=_permissions(records),
        )

    async def tell_approvals(self, grant: Grant, state: AgentState) -> None:
        """Bring the records of what the session asks up to what its state says."""
        blocks = (block for message in state.context for block in message.content)
        calls = {block.id: block for block in blocks if isinstance(block, ToolCallBlock)}
        await self.approvals.project(grant.owner, grant.agent_id, grant.session_id, state.approvals, calls)

    def _model(self, config: ChatModelConfig, records: Bundle | None) -> ChatModelBase:
        if config == DEMO_CONFIG:
            return self.catalog.demo()
        found = records.credentials if records is not None else []
        record = next((each for each in found if each.id == config.credential_id), None)
        if record is None:
            raise NotFound("The credential of the chat model is gone.")
        credential = self.credentials.parse({**record.data, **opened(self.vault, record)})
        return self.catalog.chat_model(credential, config)


class Unprepared(ChatModelBase):
    """The model of an agent that could not be set up: it only says why, in words that the client may read."""

    name = "none"
    context_size = 0

    def __init__(self, told: str | None) -> None:
        self._told = told

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta]:  # noqa: ARG002 - whatever is asked
        raise ModelError("setup", "the agent could not be set up", told=self._told)


def unprepared(records: Bundle | None, told: str | None = None) -> Agent:
    """An agent that only says that, and why, it could not be set up."""
    name = records.agent.data.name if records is not None and records.agent is not None else "agent"
    return Agent(name, "", Unprepared(told))


def _parts(records: Bundle | None) -> tuple[AgentRecord, ChatModelConfig, ChatModelConfig | None]:
    """The agent, its model, and the one that may take its place. Raises NotFound for what is missing."""
    if records is None:
        raise NotFound("The session is gone.")
    if records.agent is None:
        raise NotFound("The agent of this session is gone.")
    config = records.session.config
    if config.chat_model_config is None:
        raise NotFound("No chat model is configured for this session.")
    return records.agent, config.chat_model_config, config.fallback_chat_model_config


def _permissions(records: Bundle | None) -> PermissionContext:
    """What the user has laid down for the session."""
    config = records.session.config if records is not None else None
    if config is None:
        return PermissionContext()
    directories = {path: WorkingDirectory(path=path, source="session") for path in config.working_directories}
    return with_rules(PermissionContext(working_directories=directories), config.permission_rules)


async def _made(factory: Factory[T] | None, grant: Grant) -> Sequence[T]:
    return await factory(grant.owner, grant.agent_id, grant.session_id) if factory is not None else ()
