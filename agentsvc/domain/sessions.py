"""Sessions: one conversation of one user with one agent."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from agentsvc.domain.agents import AgentView
from agentsvc.domain.ids import AgentId
from agentsvc.domain.messages import Msg
from agentsvc.domain.permissions import PermissionMode, PermissionRule, Rules
from agentsvc.domain.records import Record
from agentsvc.domain.states import AgentState

Directories = Annotated[list[Annotated[str, Meta(min_length=1, max_length=4096)]], Meta(max_length=100)]
Status = Literal["idle", "running", "awaiting_permission", "awaiting_external_result"]


class ChatModelConfig(Struct, frozen=True, kw_only=True):
    """Which model answers: ``type`` is the credential's type, ``parameters`` follow the model's card."""

    type: str
    credential_id: str
    model: Annotated[str, Meta(min_length=1)]
    parameters: dict[str, Any] = {}


class KnowledgeConfig(Struct, frozen=True, kw_only=True):
    knowledge_base_ids: list[str] = []
    parameters: dict[str, Any] = {}


class SessionConfig(Struct, frozen=True, kw_only=True):
    """``permission_rules`` and ``working_directories`` are the user's own; what a confirmation allows for good is added
    in the session's state.
    """

    name: str
    workspace_id: str | None = None
    cwd: str | None = None
    chat_model_config: ChatModelConfig | None = None
    fallback_chat_model_config: ChatModelConfig | None = None
    tts_model_config: ChatModelConfig | None = None
    knowledge_config: KnowledgeConfig | None = None
    permission_rules: list[PermissionRule] = []
    working_directories: list[str] = []


class SessionRecord(Record, frozen=True, kw_only=True):
    """``state`` is kept apart from the record and filled in when it is shown."""

    agent_id: AgentId
    config: SessionConfig
    source: Literal["user", "schedule", "channel"] = "user"
    source_schedule_id: str | None = None
    source_chat_id: str | None = None
    source_channel_id: str | None = None
    team_id: str | None = None
    permission_mode: PermissionMode = "default"
    state: AgentState | None = None


class CreateSession(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    agent_id: AgentId
    name: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    workspace_id: str | None = None
    chat_model_config: ChatModelConfig | None = None
    fallback_chat_model_config: ChatModelConfig | None = None
    tts_model_config: ChatModelConfig | None = None
    knowledge_config: KnowledgeConfig | None = None
    permission_mode: PermissionMode = "default"
    permission_rules: Rules = []
    working_directories: Directories = []


class UpdateSession(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not sent stays; null clears, where null is allowed."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    cwd: str | None | UnsetType = UNSET
    chat_model_config: ChatModelConfig | None | UnsetType = UNSET
    fallback_chat_model_config: ChatModelConfig | None | UnsetType = UNSET
    tts_model_config: ChatModelConfig | None | UnsetType = UNSET
    knowledge_config: KnowledgeConfig | None | UnsetType = UNSET
    permission_mode: PermissionMode | UnsetType = UNSET
    permission_rules: Rules | UnsetType = UNSET
    working_directories: Directories | UnsetType = UNSET


class TeamView(Struct, frozen=True, kw_only=True):
    team: dict[str, Any]
    leader_agent: AgentView | None = None
    members: list[dict[str, Any]] = []


class SessionView(Struct, frozen=True, kw_only=True):
    """A session in a list: its record without the conversation."""

    session: SessionRecord
    status: Status
    is_running: bool
    team: TeamView | None = None


class SessionStatus(Struct, frozen=True, kw_only=True):
    session_id: str
    status: Status


class MessagePage(Struct, frozen=True, kw_only=True):
    """A part of the transcript, oldest first. ``next_cursor`` is the ``before`` of the page with what came earlier."""

    messages: list[Msg]
    is_running: bool
    has_more: bool
    next_cursor: str | None = None
