"""Agents: the stored configuration of who answers."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

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
    """``max_iters`` counts rounds of reasoning in one reply; ``structured_output_grace_iters`` come on top when an
    answer of a certain form is asked for and has not come.

    The other fields are taken from clients that send them, and change nothing.
    """

    max_iters: Annotated[int, Meta(ge=1, le=1000)] = 50
    structured_output_grace_iters: Annotated[int, Meta(ge=1)] = 5
    stop_on_reject: bool = False
    interruption_message: str = "The reply was interrupted by the user."
    interruption_raise_cancelled_error: bool = False


class ApprovalConfig(Struct, frozen=True, kw_only=True):
    """What becomes of a question that nobody answers. Without ``expires_after`` (seconds) it waits for ever.

    ``default_answer`` is given then; a question of safety is always denied.
    """

    expires_after: Annotated[float, Meta(gt=0)] | None = None
    default_answer: Literal["approve", "deny"] = "deny"


class InjectionConfig(Struct, frozen=True, kw_only=True):
    """What an agent is told of the moment: time, open tasks, a conversation that is nearly full.

    ``time_interval`` is in hours. The model is warned of a conversation that has come closer to the trigger of the
    compression than ``context_buffer_ratio``, a part of the context size. ``extra_fields`` are told along with it.
    """

    inject_runtime_state: bool = True
    timezone: Annotated[str, Meta(max_length=100)] = "UTC"
    time_format: Annotated[str, Meta(max_length=100)] = "%Y-%m-%dT%H:%M:%S"
    time_interval: Annotated[float, Meta(gt=0)] = 0.5
    context_buffer_ratio: Annotated[float, Meta(gt=0, lt=0.9)] = 0.2
    template: str = (
        "<system-reminder>This is how things stand now. What was said of them earlier is out of date.\n"
        "{runtime_state}</system-reminder>"
    )
    injection_source: str = '{"label": "System", "sublabel": "Runtime State"}'
    task_tool_names: list[str] = field(default_factory=lambda: ["TaskCreate", "TaskGet", "TaskList", "TaskUpdate"])
    extra_fields: dict[Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9_-]*$")], str] = {}

    def __post_init__(self) -> None:
        if "{runtime_state}" not in self.template:
            raise ValueError("template must contain {runtime_state}")


class RunConfig(Struct, frozen=True, kw_only=True):
    """``time_limit`` is how long a run may take for a reply, in seconds; without one it takes as long as it takes.

    The time counts from the start of the run, or from the end of the reply before in the same run, over all workers
    that carry it out. It does not count while a reply waits for somebody: its run has ended then, and the answer begins
    another one. A reply that is not done in time ends with an error of the type ``time_limit``, and its run with the
    status ``exceeded``.
    """

    time_limit: Annotated[float, Meta(gt=0)] | None = None


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
    injection_config: InjectionConfig = field(default_factory=InjectionConfig)
    approval_config: ApprovalConfig = ApprovalConfig()
    run_config: RunConfig = RunConfig()
    invite_config: InviteConfig = InviteConfig()


class AgentRecord(Record, frozen=True, kw_only=True):
    data: AgentData
    source: Literal["user", "team"] = "user"


class CreateAgent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name
    system_prompt: str = "You're a helpful assistant."
    context_config: ContextConfig = ContextConfig()
    react_config: ReActConfig = ReActConfig()
    injection_config: InjectionConfig = field(default_factory=InjectionConfig)
    approval_config: ApprovalConfig = ApprovalConfig()
    run_config: RunConfig = RunConfig()
    invite_config: InviteConfig = InviteConfig()


class UpdateAgent(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not sent, or sent as null, stays."""

    name: Name | None | UnsetType = UNSET
    system_prompt: str | None | UnsetType = UNSET
    context_config: ContextConfig | None | UnsetType = UNSET
    react_config: ReActConfig | None | UnsetType = UNSET
    injection_config: InjectionConfig | None | UnsetType = UNSET
    approval_config: ApprovalConfig | None | UnsetType = UNSET
    run_config: RunConfig | None | UnsetType = UNSET
    invite_config: InviteConfig | None | UnsetType = UNSET


class AgentView(AgentRecord, frozen=True, kw_only=True):
    editable: bool = True
