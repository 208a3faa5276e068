"""How a reply begins: anew, with the answer to what it waited for, or where an earlier worker left it."""

from typing import Any

from msgspec.structs import replace

from agentsvc.agent.answers import Answer, answered, fitting, rules_of
from agentsvc.agent.permissions import with_rules
from agentsvc.agent.results import as_chunk
from agentsvc.agent.standing import Standing
from agentsvc.domain import events as ev
from agentsvc.domain.messages import ToolResultBlock

_REFUSED = "The user refused this call."
_UNKNOWN = "This call was interrupted; whether it had an effect is not known."


def begin(standing: Standing) -> list[ev.Event]:
    started = ev.ReplyStart(
        reply_id=standing.reply_id,
        session_id=standing.state.session_id,
        name=standing.agent.name,
        created_at=standing.message.created_at,
    )
    return [started]


def take_over(standing: Standing) -> list[ev.Event]:
    """Tell what stands, and close what was in flight when the earlier worker stopped, unless it may be done again."""
    message = standing.message
    value: dict[str, Any] = {"reply_id": message.id, "content": message.content, "usage": message.usage}
    resumed = ev.Custom(name=ev.REPLY_RESUMED, value=value, created_at=standing.clock())
    begun = standing.begun
    once_only = [
        call
        for call in standing.open_calls
        if call.id in begun and call.state != "submitted" and not _repeatable(standing, call.name)
    ]
    return [resumed, *standing.close(once_only, _UNKNOWN)]


def answer(standing: Standing, given: Answer) -> list[ev.Event]:
    """The answer, as far as it fits open questions, and the results that come of it at once."""
    fit = fitting(standing.message, given)
    if fit is None:
        return []
    state, at = standing.state, standing.clock()
    state.approvals = answered(state.approvals, fit, at)
    told = replace(fit, id="", created_at=at)
    match told:
        case ev.UserConfirmResult(confirm_results=results):
            state.permission_context = with_rules(state.permission_context, rules_of(told))
            refused = [each.tool_call for each in results if not each.confirmed]
            return [told, *standing.close(refused, _REFUSED, "denied")]
        case ev.ExternalExecutionResult(execution_results=results):
            return [told, *(event for each in results for event in _given(standing, each))]


def _given(standing: Standing, result: ToolResultBlock) -> list[ev.Event]:
    chunk = as_chunk(result)
    deltas = standing.results.deltas(result.id, chunk)
    return [*deltas, standing.results.end(result.id, chunk.state, chunk.metadata)]


def _repeatable(standing: Standing, name: str) -> bool:
    """Also a call of a tool that is not there: its result says so."""
    tool = standing.agent.toolkit.get(name)
    return tool is None or tool.idempotent
