"""Agents: the stored configuration of who answers."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from agentsvc.domain.records import Record

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class ContextConfig(Struct, frozen=True, kw_only=True):
    """When and how a long conversation is summarised. Ratios are parts of the model's context size."""

    trigger_ratio: Annotated[float, Meta(gt=0, le=0.9)] = 0.8
    reserve_ratio: Annotated[float, Meta(gt=0, lt=0.9)] = 0.1
    compression_prompt: str | None = None
    summary_template: str | None = None
    summary_schema: dict[str, Any] | None = None
    tool_result_limit: Annotated[int, Meta(gt=0)] = 50_000
    max_image_num: Annotated[int, Meta(ge=0)] = 5

    def __post_init__(self) -> None:
        if self.reserve_ratio >= self.trigger_ratio:
            raise ValueError("reserve_ratio must be below trigger_ratio")


class ReActConfig(Struct, frozen=True, kw_only=True):
    """``max_iters`` counts rounds of reasoning in one reply."""

    max_iters: Annotated[int, Meta(ge=1, le=1000)] = 50
    structured_output_grace_iters: Annotated[int, Meta(ge=1)] = 5
    stop_on_reject: bool = False
    interruption_message: str = "The reply was interrupted by the user."
    interruption_raise_cancelled_error: bool = False


class InviteConfig(Struct, frozen=True, kw_only=True):
    """Whether a team leader may borrow this agent; the description tells the leader what for."""

    invitable: bool = False
    invite_description: str | None = None

    def __post_init__(self) -> None:
        if self.invitable and not (self.invite_description or "").strip():
            raise ValueError("invite_description is required when invitable is true")


class AgentData(Struct, frozen=True, kw_only=True):
    id: str
    name: Name
    system_prompt: str = "You're a helpful assistant."
    context_config: ContextConfig = ContextConfig()
    react_config: ReActConfig = ReActConfig()
    invite_config: InviteConfig = InviteConfig()


class AgentRecord(Record, frozen=True, kw_only=True):
    data: AgentData
    source: Literal["user", "team"] = "user"


class CreateAgent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    system_prompt: str = "You're a helpful assistant."
    context_config: ContextConfig = ContextConfig()
    react_config: ReActConfig = ReActConfig()
    invite_config: InviteConfig = InviteConfig()


class UpdateAgent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not sent, or sent as null, stays."""

    name: Name | None | UnsetType = UNSET
    system_prompt: str | None | UnsetType = UNSET
    context_config: ContextConfig | None | UnsetType = UNSET
    react_config: ReActConfig | None | UnsetType = UNSET
    invite_config: InviteConfig | None | UnsetType = UNSET


class AgentView(AgentRecord, frozen=True, kw_only=True):
    editable: bool = True
