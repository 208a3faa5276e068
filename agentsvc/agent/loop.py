"""One reply of an agent: reason, act, reason again, until it is said or cannot be said."""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, cast

from msgspec.structs import replace

from agentsvc.agent.act import Acting, batches
from agentsvc.agent.agent import Agent
from agentsvc.agent.endings import classify, unfinished
from agentsvc.agent.interruption import Interrupted, Interruption
from agentsvc.agent.journal import Journal
from agentsvc.agent.model import ToolChoice
from agentsvc.agent.reason import Reasoning
from agentsvc.domain import events as ev
from agentsvc.domain.fold import Fold
from agentsvc.domain.ids import new_id
from agentsvc.domain.messages import ErrorInfo, FinishedReason, Msg, ToolCallBlock, ToolResultBlock, ToolResultState
from agentsvc.domain.states import AgentState, ReplyContext
from agentsvc.domain.times import Clock

log = logging.getLogger(__name__)

_INTERRUPTED = "The user interrupted this call."
_UNKNOWN = "This call was interrupted; whether it had an effect is not known."
_CUT = "This call was cut off because the answer became too long, so it was not run."


class Reply:
    """A reply as it grows.

    The reply is the fold of its events: what a client makes of the stream is what the agent remembers. The journal
    records it at the end of each step, and waits for that before a tool runs.
    """

    def __init__(
        self, agent: Agent, state: AgentState, journal: Journal, interruption: Interruption, clock: Clock
    ) -> None:
        self._agent = agent
        self._state = state
        self._journal = journal
        self._interruption = interruption
        self._clock = clock
        self._resumed = bool(state.reply_context.reply_id)
        self._fold = Fold(_rewound(state.context[-1]) if self._resumed else self._empty())
        self._before = state.context[:-1] if self._resumed else state.context
        self._earlier = self._before
        self._round = state.reply_context.cur_iter
        self._begun = False
        self._done = False
        self._said = False

    @property
    def id(self) -> str:
        return self._fold.reply_id

    @property
    def message(self) -> Msg:
        """The reply as it stands."""
        return self._fold.message()

    @property
    def state(self) -> AgentState:
        """What the agent remembers as of now; the reply stands last in the context."""
        open_reply = ReplyContext() if self._done else ReplyContext(reply_id=self.id, cur_iter=self._round)
        return replace(self._state, context=[*self._earlier, self.message], reply_context=open_reply)

    async def events(self, inputs: Sequence[Msg] = ()) -> AsyncGenerator[ev.Event]:
        """What happens, from ``REPLY_START`` (or from where an earlier worker stopped) to ``REPLY_END``."""
        reply = self._agent.around("on_reply", self._reply)
        self._earlier = [*self._before, *inputs]
        failure = RuntimeError("a middleware ended the reply without REPLY_END")
        try:
            async with aclosing(cast("AsyncGenerator[ev.Event]", reply(inputs=inputs))) as events:
                async for event in events:
                    yield self._happened(event)
        except Exception as error:  # noqa: BLE001 - logged below, with what it left open
            failure.__cause__ = error
        if not self._done:  # whatever a middleware left open is closed all the same
            log.warning("reply %s was broken off", self.id, exc_info=failure)
            for event in self._after_failure(failure):
                yield self._happened(event)
        self._journal.record()

    def _happened(self, event: ev.Event) -> ev.Event:
        self._fold.apply(event)
        self._begun = True
        self._done = self._done or isinstance(event, ev.ReplyEnd)
        return event

    async def _reply(self, *, inputs: Sequence[Msg]) -> AsyncGenerator[ev.Event]:
        self._earlier = [*self._before, *inputs]
        yield self._opening()
        self._journal.record()
        if self._resumed:
            for event in self._after_takeover():
                yield event
        while not self._done:
            before = self._progress()
            async for event in self._rounds():
                yield event
            if not self._done and self._progress() == before:
                raise RuntimeError("a middleware kept REPLY_END back and nothing else happened")

    async def _rounds(self) -> AsyncGenerator[ev.Event]:
        """Rounds until an end; the end is told last, when all that was open is closed."""
        reason: FinishedReason = "completed"
        error: ErrorInfo | None = None
        self._said = False
        try:
            async for event in self._work():
                yield event
            if not self._said:
                reason = "exceed_max_iters"
        except Interrupted:
            reason = "interrupted"
        except Exception as failure:
            log.warning("reply %s failed", self.id, exc_info=failure)
            reason, error = "error", classify(failure)
        for event in self._close_calls(_INTERRUPTED):
            yield event
        if reason == "exceed_max_iters":
            yield ev.ExceedMaxIters(reply_id=self.id, name=self._agent.name, created_at=self._clock())
        yield self._end(reason, error)

    async def _work(self) -> AsyncGenerator[ev.Event]:
        while not self._said:
            calls = self._open_calls()
            if calls:
                async for event in self._act(calls):
                    yield event
                self._round += 1
                self._journal.record()
            elif self._round >= self._agent.config.max_iters:
                return
            else:
                async for event in self._reason():
                    yield event

    async def _reason(self) -> AsyncGenerator[ev.Event]:
        reasoning = Reasoning(self._agent, self.id, self._interruption, self._clock)

        def ask(*, tool_choice: ToolChoice) -> AsyncGenerator[ev.Event]:
            return reasoning.events([*self._earlier, *self._so_far()], tool_choice)

        answer = self._agent.around("on_reasoning", ask)(tool_choice=ToolChoice())
        async with aclosing(cast("AsyncGenerator[ev.Event]", answer)) as events:
            async for event in events:
                yield event
        if reasoning.finish is not None and reasoning.finish.reason == "length":
            for event in self._close_calls(_CUT, "error"):
                yield event
        if self._open_calls():
            return
        self._said = not reasoning.only_thought
        self._round += not self._said

    async def _act(self, calls: list[ToolCallBlock]) -> AsyncGenerator[ev.Event]:
        acting = Acting(self._agent, self.id, self._state, self._interruption, self._clock)
        for batch in batches(self._agent, calls):
            started = self._results()
            for call in batch:
                if call.id not in started:
                    yield acting.start(call)
            self._journal.record()
            await self._journal.settle()
            async with aclosing(acting.events(batch)) as events:
                async for event in events:
                    yield event
                    if isinstance(event, ev.ToolResultEnd):
                        self._journal.record()

    # -- what stands

    def _so_far(self) -> list[Msg]:
        return [self.message] if self.message.content else []

    def _results(self) -> dict[str, ToolResultBlock]:
        return {block.id: block for block in self.message.content if isinstance(block, ToolResultBlock)}

    def _open_calls(self) -> list[ToolCallBlock]:
        """Calls without a finished result."""
        results = self._results()
        return [
            block
            for block in self.message.content
            if isinstance(block, ToolCallBlock) and (block.id not in results or results[block.id].state == "running")
        ]

    def _progress(self) -> tuple[int, int]:
        return self._round, len(self.message.content)

    def _empty(self) -> Msg:
        return Msg(id=new_id(), name=self._agent.name, role="assistant", content=[], created_at=self._clock())

    # -- beginnings and ends

    def _opening(self) -> ev.Event:
        if not self._resumed:
            return ev.ReplyStart(
                reply_id=self.id,
                session_id=self._state.session_id,
                name=self._agent.name,
                created_at=self.message.created_at,
            )
        value: dict[str, Any] = {"reply_id": self.id, "content": self.message.content, "usage": self.message.usage}
        return ev.Custom(name=ev.REPLY_RESUMED, value=value, created_at=self._clock())

    def _after_takeover(self) -> list[ev.Event]:
        """Close what was in flight when the earlier worker stopped, unless it may be done again."""
        in_flight = [call for call in self._open_calls() if call.id in self._results()]
        once_only = [
            call
            for call in in_flight
            if (tool := self._agent.toolkit.get(call.name)) is not None and not tool.idempotent
        ]
        return self._closing(once_only, _UNKNOWN, "interrupted")

    def _close_calls(self, text: str, state: ToolResultState = "interrupted") -> list[ev.Event]:
        return self._closing(self._open_calls(), text, state)

    def _closing(self, calls: list[ToolCallBlock], text: str, state: ToolResultState) -> list[ev.Event]:
        acting = Acting(self._agent, self.id, self._state, self._interruption, self._clock)
        started = self._results()
        events: list[ev.Event] = []
        for call in calls:
            if call.id not in started:
                events.append(acting.start(call))
            events += (acting.text(call.id, text), acting.end(call.id, state))
        return events

    def _after_failure(self, failure: Exception) -> list[ev.Event]:
        """All that a reply lacks whose events broke off."""
        opening = [] if self._begun else [self._opening()]
        ends = unfinished(self.message, self._clock())
        return [*opening, *ends, *self._close_calls(_INTERRUPTED), self._end("error", classify(failure))]

    def _end(self, reason: FinishedReason, error: ErrorInfo | None) -> ev.ReplyEnd:
        return ev.ReplyEnd(
            reply_id=self.id,
            session_id=self._state.session_id,
            finished_reason=reason,
            error=error,
            created_at=self._clock(),
        )


def _rewound(message: Msg) -> Msg:
    """The message without what a call in flight had given: the call is closed or done again from its start."""
    blocks = [
        replace(block, output=[]) if isinstance(block, ToolResultBlock) and block.state == "running" else block
        for block in message.content
    ]
    return replace(message, content=blocks)
