"""Approvals: what a parked reply waits for, who answered it, and when."""

from typing import Literal

from msgspec import Struct

from agentsvc.domain.permissions import Reason

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
