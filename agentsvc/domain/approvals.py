"""Approvals: what a parked reply waits for, who answered it, and when."""

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.domain.messages import DataBlock, TextBlock, ToolCallBlock
from agentsvc.domain.permissions import Reason, Rules
from agentsvc.domain.records import Record

ApprovalKind = Literal["confirmation", "external_execution"]
ApprovalStatus = Literal["pending", "approved", "denied", "executed", "expired", "withdrawn"]


class Approval(Struct, frozen=True, kw_only=True):
    """One tool call that waits, or waited, for somebody; ``id`` is that of the call.

    ``answered_by`` is a user, or ``expiry`` when nobody answered in time. ``withdrawn``: the reply ended without it.
    """

    id: str
    reply_id: str
    kind: ApprovalKind
    tool_name: str
    asked_at: str
    reason: Reason | None = None
    expires_at: str | None = None
    status: ApprovalStatus = "pending"
    answered_by: str | None = None
    answered_at: str | None = None


class ApprovalRecord(Record, frozen=True, kw_only=True):
    """An approval where its owner finds it, with the call that it is about.

    What the state of the session says is copied here: this never decides whether an answer counts. A call that is
    confirmed and then left to the client has one record, which says what it waits, or waited, for last.
    """

    session_id: SessionId
    agent_id: AgentId
    reply_id: str
    kind: ApprovalKind
    tool_name: str
    tool_call: ToolCallBlock
    asked_at: str
    reason: Reason | None = None
    expires_at: str | None = None
    status: ApprovalStatus = "pending"
    answered_by: str | None = None
    answered_at: str | None = None

    @property
    def pending(self) -> bool:
        return self.status == "pending"

    @property
    def stage(self) -> int:
        """How far the call has come. This only grows, so that who comes late is known by it."""
        return (2 if self.kind == "external_execution" else 0) + (0 if self.pending else 1)


class AnswerApproval(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``confirmed`` answers a confirmation; ``input`` are then edited arguments, as JSON text, and ``rules`` hold from
    now on in this session. ``output`` and ``state`` are the result of a call that the client was to carry out.
    """

    confirmed: bool | None = None
    input: str | None = None
    rules: Rules | None = None
    output: str | list[TextBlock | DataBlock] | None = None
    state: Literal["success", "error"] | None = None


def recorded(
    owner: OwnerId, agent_id: AgentId, session_id: SessionId, approval: Approval, call: ToolCallBlock
) -> ApprovalRecord:
    """The record of an approval: the same whenever it is made."""
    record = ApprovalRecord(
        user_id=owner,
        created_at=approval.asked_at,
        updated_at=approval.answered_at or approval.asked_at,
        session_id=session_id,
        agent_id=agent_id,
        tool_call=call,
        **{name: getattr(approval, name) for name in Approval.__struct_fields__},
    )
    return replace(record, version=record.stage + 1)


def approval_of(record: ApprovalRecord) -> Approval:
    """What a record says without its call."""
    return Approval(**{name: getattr(record, name) for name in Approval.__struct_fields__})
