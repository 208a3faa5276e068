"""What a run has used and where it has got to, as its record says."""

from collections.abc import Mapping

import msgspec

from agentsvc.bus.leases import Grant
from agentsvc.domain import events as ev
from agentsvc.domain.messages import ErrorInfo, FinishedReason
from agentsvc.domain.runs import RunStatus

HEARD = (ev.ReplyStart, ev.ModelCallEnd, ev.ReplyEnd)
"""The events that tell an account something."""

_encode = msgspec.json.Encoder().encode


class Account:
    """Goes on where an earlier worker of the same run has stopped. Its fields hold sums: they may be written twice."""

    def __init__(self, grant: Grant) -> None:
        self._input = grant.input_tokens
        self._output = grant.output_tokens
        self._reply_id = grant.reply_id
        self._end: Mapping[str, str | bytes] = {}

    def hear(self, event: ev.ReplyStart | ev.ModelCallEnd | ev.ReplyEnd) -> None:
        match event:
            case ev.ReplyStart(reply_id=reply_id):
                self._reply_id, self._end = reply_id, {"error": b""}
            case ev.ModelCallEnd(input_tokens=used, output_tokens=made):
                self._input += used
                self._output += made
            case ev.ReplyEnd(reply_id=reply_id, finished_reason=reason, error=error):
                self._reply_id = reply_id
                self._end = {"outcome": outcome(reason, error), "error": b"" if error is None else _encode(error)}

    @property
    def fields(self) -> Mapping[str, str | bytes | int]:
        """Those of the record, as they are now."""
        return {"input": self._input, "output": self._output, "reply": self._reply_id, **self._end}


def outcome(reason: FinishedReason, error: ErrorInfo | None) -> RunStatus:
    """How a run ends whose last reply ended so."""
    match reason:
        case "exceed_max_iters":
            return "exceeded"
        case "error":
            return "exceeded" if error is not None and error.type == "time_limit" else "error"
        case "completed" | "interrupted":
            return reason
