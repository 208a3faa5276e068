"""How a reply begins: anew, with the answer to what it waited for, or where an earlier worker left it."""

from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from agentsvc.agent.answers import EXPIRY, Answer, answered, fitting, rules_of
from agentsvc.agent.context.truncation import truncate
from agentsvc.agent.interruption import Interrupted, Interruption
from agentsvc.agent.permissions import with_rules
from agentsvc.agent.results import as_chunk
from agentsvc.agent.standing import Standing
from agentsvc.agent.tools import Tools
from agentsvc.domain import events as ev
from agentsvc.domain.messages import ToolResultBlock

_REFUSED = "The user refused this call."
_EXPIRED = "Nobody said in time that this call may run, so it did not."
_UNKNOWN = "This call was interrupted; whether it had an effect is not known."


async def opening(standing: Standing, interruption: Interruption, answer: Answer | None) -> list[ev.Event]:
    """The first events, whatever is wished: that is for the rounds to hear."""
    if answer is not None:
        return await _answer(standing, interruption, answer)
    first = begin(standing)
    if not standing.resumed:
        return [first]
    tools = Tools()
    with suppress(Interrupted), interruption:  # nothing is repeated then
        tools = await standing.tools()
    return [first, *_take_over(standing, tools)]


def begin(standing: Standing) -> ev.Event:
    """The first event: of a new reply, or one that says what stands of a reply that another worker has left."""
    message = standing.message
    if not standing.resumed:
        return ev.ReplyStart(
            reply_id=message.id,
            session_id=standing.state.session_id,
            name=standing.agent.name,
            created_at=message.created_at,
        )
    value: dict[str, Any] = {"reply_id": message.id, "content": message.content, "usage": message.usage}
    return ev.Custom(name=ev.REPLY_RESUMED, value=value, created_at=standing.clock())


def _take_over(standing: Standing, tools: Tools) -> list[ev.Event]:
    """Close what was in flight when the earlier worker stopped, unless it may be done again."""
    begun = standing.begun
    in_flight = [call for call in standing.open_calls if call.id in begun and call.state != "submitted"]
    once_only = [call for call in in_flight if (tool := tools.get(call.name)) is None or not tool.idempotent]
    return standing.close(once_only, _UNKNOWN)


async def _answer(standing: Standing, interruption: Interruption, given: Answer) -> list[ev.Event]:
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
            text = _EXPIRED if told.metadata.get("answered_by") == EXPIRY else _REFUSED
            return [told, *standing.close(refused, text, "denied")]
        case ev.ExternalExecutionResult(execution_results=results):
            shown = [await _limited(standing, interruption, each) for each in results]
            return [told, *(event for each in shown for event in _given(standing, each))]


async def _limited(standing: Standing, interruption: Interruption, result: ToolResultBlock) -> ToolResultBlock:
    """The result as far as it may be shown; a stop only keeps the rest from being put away."""
    limit = standing.agent.context_config.tool_result_limit
    with suppress(Interrupted), interruption:
        return await truncate(result, limit, standing.agent.offload)
    return await truncate(result, limit)


def _given(standing: Standing, result: ToolResultBlock) -> list[ev.Event]:
    chunk = as_chunk(result)
    deltas = standing.results.deltas(result.id, chunk)
    return [*deltas, standing.results.end(result.id, chunk.state, chunk.metadata)]
