"""What becomes of one tool call before it runs: refused, asked about, handed to the client, or ready."""

import copy
import logging
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from agentsvc.agent.agent import Agent
from agentsvc.agent.arguments import BadArguments
from agentsvc.agent.interruption import Interrupted, Interruption
from agentsvc.agent.permissions import Decision, Examination, decide, with_rules
from agentsvc.agent.tool import ToolBase
from agentsvc.agent.tools import Prepared, Tools, UnknownTool
from agentsvc.domain.messages import ToolCallBlock, ToolResultState
from agentsvc.domain.permissions import PermissionContext, PermissionRule, Reason

log = logging.getLogger(__name__)


class Refused(Struct, frozen=True):
    """The call has its result without running: ``text`` is for the model."""

    text: str
    state: ToolResultState


class Asked(Struct, frozen=True):
    """A person has to answer first."""

    reason: Reason
    suggested_rules: list[PermissionRule]


class Waits(Struct, frozen=True):
    """The answer to an earlier question may be one to this call, too."""


class Ready(Struct, frozen=True):
    """It may run; an external tool is run by the client."""

    prepared: Prepared


Outcome = Refused | Asked | Waits | Ready


async def judge(
    agent: Agent,
    tools: Tools,
    call: ToolCallBlock,
    context: PermissionContext,
    interruption: Interruption,
    *,
    asked: Sequence[PermissionRule] = (),
) -> Outcome:
    """``asked`` are the rules that earlier questions of the same batch have offered.

    A call that a person has allowed is judged again, since it may have been edited: only a denial counts then, as for
    an external tool, which the client runs and may ask about itself. Raises Interrupted.
    """
    try:
        prepared = tools.prepare(call)
    except (BadArguments, UnknownTool) as error:
        return Refused(str(error), "error")
    examined: list[Examination] = []

    async def check(*, tool_call: ToolCallBlock, tool: ToolBase, tool_input: dict[str, Any]) -> Decision:  # noqa: ARG001
        examined.append(await prepared.examined(tool_input, context))
        return decide(tool_call.name, examined[-1], context)

    try:
        with interruption:
            decision: Decision = await agent.around("on_check_permission", check)(
                tool_call=call, tool=prepared.tool, tool_input=copy.deepcopy(prepared.arguments)
            )
    except Interrupted:
        raise
    except Exception as error:
        log.warning("tool %s: the call could not be judged", call.name, exc_info=error)
        return Refused(f"Whether this call of {call.name} may run could not be found out, so it did not.", "error")
    if decision.behavior == "deny":
        return Refused(f"The call was not allowed. {decision.reason.message}", "denied")
    handed_out = prepared.tool.is_external_tool and prepared.trusted
    if decision.behavior == "allow" or call.state == "allowed" or handed_out:
        return Ready(prepared)
    if not decision.reason.safety and _answered_by(call, examined, context, asked):
        return Waits()
    return Asked(decision.reason, decision.suggested_rules)


def _answered_by(
    call: ToolCallBlock, examined: Sequence[Examination], context: PermissionContext, rules: Sequence[PermissionRule]
) -> bool:
    if not rules or not examined:
        return False
    return decide(call.name, examined[-1], with_rules(context, rules)).behavior == "allow"
