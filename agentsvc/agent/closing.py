"""The end of a reply: all that is open is closed, and one event says why."""

from typing import Any, Literal

from agentsvc.agent.answers import withdrawn
from agentsvc.agent.endings import classify, unfinished
from agentsvc.agent.interruption import Interrupted, Interruption
from agentsvc.agent.standing import Standing
from agentsvc.domain import events as ev
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import ErrorInfo, FinishedReason

_INTERRUPTED = "The user interrupted this call."
_TIME_UP = "The time of the run was up before this call had ended."


def cause(failure: Exception, interruption: Interruption) -> tuple[FinishedReason, ErrorInfo | None]:
    """Why a reply has ended that was interrupted, or has failed."""
    if not isinstance(failure, Interrupted):
        return "error", classify(failure)
    if interruption.expired:
        return "error", classify(ModelError("time_limit", "the time of the run is up"))
    return "interrupted", None


def closed(standing: Standing, interruption: Interruption, *, asking: bool) -> list[ev.Event]:
    """The ends of all that is open; what a model or a middleware breaks off in the middle lacks some.

    ``asking``: a call of a model has begun and not ended.
    """
    at = standing.clock()
    how: Literal["completed", "interrupted"] = "interrupted" if interruption.requested else "completed"
    asked = [ev.ModelCallEnd(reply_id=standing.reply_id, created_at=at, finished_reason=how)] if asking else []
    calls = standing.close(standing.open_calls, _TIME_UP if interruption.expired else _INTERRUPTED)
    return [*unfinished(standing.message, at), *asked, *calls]


def end(standing: Standing, interruption: Interruption, reason: FinishedReason, error: ErrorInfo | None) -> ev.ReplyEnd:
    """The end. A reply that is to be discarded is so however it would have ended; questions are withdrawn."""
    state, at = standing.state, standing.clock()
    state.approvals = withdrawn(state.approvals, at)
    output = state.reply_context.structured_output
    metadata: dict[str, Any] = {} if output is None else {"structured_output": output}
    if interruption.discards:
        reason, error, metadata = "interrupted", None, {"discarded": True}
    return ev.ReplyEnd(
        reply_id=standing.reply_id,
        session_id=state.session_id,
        finished_reason=reason,
        error=error,
        created_at=at,
        metadata=metadata,
    )
