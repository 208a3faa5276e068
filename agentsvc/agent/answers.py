"""Questions of a parked reply, and what people and clients answer to them."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from msgspec.structs import replace

from agentsvc.domain.agents import ApprovalConfig
from agentsvc.domain.approvals import Approval, ApprovalKind, ApprovalStatus
from agentsvc.domain.events import ConfirmResult, ExternalExecutionResult, UserConfirmResult
from agentsvc.domain.messages import Msg, ToolCallBlock, ToolCallState
from agentsvc.domain.permissions import PermissionRule, Reason
from agentsvc.domain.times import later

T = TypeVar("T")
Answer = UserConfirmResult | ExternalExecutionResult

EXPIRY = "expiry"
"""Who has answered when nobody did in time."""


def question(
    reply_id: str, call: ToolCallBlock, kind: ApprovalKind, *, reason: Reason | None, config: ApprovalConfig, at: str
) -> Approval:
    return Approval(
        id=call.id,
        reply_id=reply_id,
        kind=kind,
        tool_name=call.name,
        asked_at=at,
        reason=reason,
        expires_at=later(at, config.expires_after) if config.expires_after is not None else None,
    )


def fitting(message: Msg, answer: Answer) -> Answer | None:
    """The part of an answer that belongs to an open question of this reply; None when there is none.

    An answer is bound to reply and call: one that comes twice, late or from elsewhere changes nothing. A confirmation
    may edit the arguments, but neither the tool nor, by its rules, what other tools may do.
    """
    if answer.reply_id != message.id:
        return None
    match answer:
        case UserConfirmResult(confirm_results=results):
            asking = _calls(message, "asking")
            fit = [each for each in results if _fits(each, asking)]
            confirmed = [_bound(each, asking) for each in _first(fit, lambda each: each.tool_call.id)]
            return replace(answer, confirm_results=confirmed) if confirmed else None
        case ExternalExecutionResult(execution_results=results):
            submitted = _calls(message, "submitted")
            executed = _first([each for each in results if each.id in submitted], lambda each: each.id)
            named = [replace(each, name=submitted[each.id].name) for each in executed]
            return replace(answer, execution_results=named) if named else None


def rules_of(answer: UserConfirmResult) -> list[PermissionRule]:
    """The rules that come with confirmations; a refusal brings none."""
    return [rule for each in answer.confirm_results if each.confirmed for rule in each.rules or ()]


def answered(approvals: Iterable[Approval], answer: Answer, at: str) -> list[Approval]:
    """The questions, with who answered which of them and when; ``metadata`` of the answer says who."""
    by = str(answer.metadata.get("answered_by") or "") or None
    statuses: dict[str, ApprovalStatus] = {}
    match answer:
        case UserConfirmResult(confirm_results=results):
            expired: ApprovalStatus | None = "expired" if by == EXPIRY else None
            for each in results:
                statuses[each.tool_call.id] = expired or ("approved" if each.confirmed else "denied")
        case ExternalExecutionResult(execution_results=results):
            statuses = {each.id: "expired" if by == EXPIRY else "executed" for each in results}
    return [
        replace(each, status=statuses[each.id], answered_by=by, answered_at=at)
        if each.status == "pending" and each.id in statuses
        else each
        for each in approvals
    ]


def withdrawn(approvals: Iterable[Approval], at: str) -> list[Approval]:
    """The questions when nobody can answer them any more."""
    return [
        replace(each, status="withdrawn", answered_at=at) if each.status == "pending" else each for each in approvals
    ]


def _calls(message: Msg, state: ToolCallState) -> dict[str, ToolCallBlock]:
    return {block.id: block for block in message.content if isinstance(block, ToolCallBlock) and block.state == state}


def _first(items: Iterable[T], key: Callable[[T], str]) -> Sequence[T]:
    """The first item of each key."""
    first: dict[str, T] = {}
    for item in items:
        first.setdefault(key(item), item)
    return list(first.values())


def _fits(result: ConfirmResult, asking: dict[str, ToolCallBlock]) -> bool:
    call = asking.get(result.tool_call.id)
    return call is not None and call.name == result.tool_call.name


def _bound(result: ConfirmResult, asking: dict[str, ToolCallBlock]) -> ConfirmResult:
    """The answer with nothing of the client's but the decision, the arguments and rules for the same tool."""
    call = asking[result.tool_call.id]
    rules = [rule for rule in result.rules or () if rule.tool_name == call.name]
    return replace(result, tool_call=replace(call, input=result.tool_call.input), rules=rules or None)
