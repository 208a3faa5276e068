"""The open tool calls of a reply: judged one by one, asked about, handed out, and run in batches."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from msgspec.structs import replace

from agentsvc.agent.act import Acting, batches
from agentsvc.agent.answers import question
from agentsvc.agent.interruption import Interruption
from agentsvc.agent.journal import Journal
from agentsvc.agent.judge import Asked, Ready, Refused, Waits, judge
from agentsvc.agent.permissions import merged
from agentsvc.agent.standing import Standing
from agentsvc.agent.tools import Prepared, Tools
from agentsvc.domain import events as ev
from agentsvc.domain.approvals import ApprovalKind
from agentsvc.domain.messages import ToolCallBlock
from agentsvc.domain.permissions import PermissionRule, Reason


class ToolPhase:
    """A call is recorded as begun, and the record kept, before it runs.

    A batch in which something waits for an answer is the last: what comes after it may depend on it.
    """

    def __init__(self, standing: Standing, tools: Tools, journal: Journal, interruption: Interruption) -> None:
        self._standing = standing
        self._agent = standing.agent
        self._state = standing.state
        self._events = standing.results
        self._tools = tools
        self._journal = journal
        self._interruption = interruption
        self._offered: list[PermissionRule] = []
        self._ready: list[Prepared] = []
        self._parked = False

    async def events(self, calls: Sequence[ToolCallBlock]) -> AsyncGenerator[ev.Event]:
        """What happens to the calls. Raises Interrupted."""
        for batch in batches(self._tools, calls):
            self._ready.clear()
            for call in batch:
                self._interruption.between_steps()
                for event in await self._judged(call):
                    yield event
                    self._keep(event)
            async with aclosing(self._run()) as events:
                async for event in events:
                    yield event
            if self._parked:
                return

    async def _judged(self, call: ToolCallBlock) -> list[ev.Event]:
        context = merged(self._state.permission_context, self._agent.permissions)
        match await judge(self._agent, self._tools, call, context, self._interruption, asked=self._offered):
            case Refused(text=text, state=state):
                return self._standing.close([call], text, state)
            case Asked(reason=reason, suggested_rules=rules):
                self._offered += rules
                return [self._ask(call, reason, rules)]
            case Waits():
                self._parked = True
                return []
            case Ready(prepared=prepared) if prepared.tool.is_external_tool:
                return [*self._start(call), self._hand_out(call)]
            case Ready(prepared=prepared):
                self._ready.append(prepared)
                return self._start(call)

    async def _run(self) -> AsyncGenerator[ev.Event]:
        if not self._ready:
            return
        self._journal.record()
        await self._journal.settle()
        self._interruption.between_steps()
        acting = Acting(self._agent, self._tools, self._state, self._events, self._interruption)
        async with aclosing(acting.events(self._ready)) as events:
            async for event in events:
                yield event
                self._keep(event)

    def _keep(self, event: ev.Event) -> None:
        if isinstance(event, ev.ToolResultEnd | ev.RequireUserConfirm | ev.RequireExternalExecution):
            self._journal.record()

    def _start(self, call: ToolCallBlock) -> list[ev.Event]:
        return [] if call.id in self._standing.begun else [self._events.start(call)]

    def _ask(self, call: ToolCallBlock, reason: Reason, rules: list[PermissionRule]) -> ev.Event:
        self._note(call, "confirmation", reason)
        asked = replace(call, state="asking", suggested_rules=rules)
        told = {"reasons": {call.id: reason}}
        return ev.RequireUserConfirm(
            reply_id=self._standing.reply_id, tool_calls=[asked], metadata=told, created_at=self._standing.clock()
        )

    def _hand_out(self, call: ToolCallBlock) -> ev.Event:
        self._note(call, "external_execution", None)
        submitted, reply_id = replace(call, state="submitted"), self._standing.reply_id
        return ev.RequireExternalExecution(reply_id=reply_id, tool_calls=[submitted], created_at=self._standing.clock())

    def _note(self, call: ToolCallBlock, kind: ApprovalKind, reason: Reason | None) -> None:
        """A question, written down with the event that asks it. Asked again after a crash it is the same."""
        self._parked = True
        asked = question(
            self._standing.reply_id,
            call,
            kind,
            reason=reason,
            config=self._agent.approval_config,
            at=self._standing.clock(),
        )
        self._state.approvals = [*(each for each in self._state.approvals if each.id != call.id), asked]
