"""What people and clients answer to the questions of a reply, rightly or not."""

from collections.abc import Sequence

import msgspec

from agentsvc.agent.answers import Answer
from agentsvc.domain import events as ev
from agentsvc.domain.messages import ToolCallBlock, ToolResultBlock
from agentsvc.domain.permissions import PermissionRule
from tests.agent.scripts import Reaction


def answered(reaction: Reaction, reply_id: str, waiting: Sequence[ToolCallBlock]) -> Answer:
    """The answer of this reaction to the questions of a reply."""
    chosen = [call for place, call in enumerate(waiting) if reaction.mask & (1 << place % 3)]
    reply_id = "foreign" if reaction.kind == "foreign" else reply_id
    if reaction.kind == "execute":
        return ev.ExternalExecutionResult(reply_id=reply_id, execution_results=_executed(chosen))
    results = [answer for place, call in enumerate(chosen) for answer in _confirmed(reaction.kind, call, place)]
    return ev.UserConfirmResult(reply_id=reply_id, confirm_results=results)


def _executed(calls: list[ToolCallBlock]) -> list[ToolResultBlock]:
    """Also for calls that nobody has handed out."""
    outputs = ["Paris", "", "far away, " * 60]
    return [
        ToolResultBlock(id=call.id, name="other", output=outputs[len(call.id + call.input) % 3], state="success")
        for call in calls
    ]


def _confirmed(kind: str, call: ToolCallBlock, place: int) -> list[ev.ConfirmResult]:
    yes = ev.ConfirmResult(confirmed=True, tool_call=call)
    no = ev.ConfirmResult(confirmed=False, tool_call=call)
    match kind:
        case "refuse":
            return [no]
        case "mixed":
            return [no if place % 2 else yes]
        case "twice":
            return [yes, no]
        case "edit":
            edited = msgspec.structs.replace(call, input=call.input.replace("}", ', "x": 1}'), state="finished")
            return [ev.ConfirmResult(confirmed=True, tool_call=edited)]
        case "rename":
            return [ev.ConfirmResult(confirmed=True, tool_call=msgspec.structs.replace(call, name="alone"))]
        case "always":
            rule = PermissionRule(tool_name=call.name, rule_content=None, behavior="allow")
            return [ev.ConfirmResult(confirmed=True, tool_call=call, rules=[rule])]
        case "misplaced":
            return [ev.ConfirmResult(confirmed=True, tool_call=msgspec.structs.replace(call, id="misplaced"))]
        case _:
            return [yes]
