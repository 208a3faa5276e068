"""One reply of an agent: reason, act, reason again, until it is said, cannot be said, or waits for somebody."""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from typing import Any, cast

from msgspec.structs import replace

from agentsvc.agent import openings
from agentsvc.agent.agent import Agent
from agentsvc.agent.answers import Answer
from agentsvc.agent.arrivals import Arrivals, Arriving, none, said
from agentsvc.agent.changes import Changes
from agentsvc.agent.closing import cause, closed, end
from agentsvc.agent.context.intake import admitted
from agentsvc.agent.conversation import Conversation
from agentsvc.agent.interruption import Interrupted, Interruption
from agentsvc.agent.journal import Journal
from agentsvc.agent.model import ToolChoice
from agentsvc.agent.phase import ToolPhase
from agentsvc.agent.reason import Reasoning
from agentsvc.agent.standing import Standing, ready
from agentsvc.agent.structured import STRUCTURED_OUTPUT, reminder
from agentsvc.domain import events as ev
from agentsvc.domain.messages import ErrorInfo, FinishedReason, Msg, ToolCallBlock
from agentsvc.domain.states import AgentState, ReplyContext
from agentsvc.domain.times import Clock

log = logging.getLogger(__name__)

_CUT = "This call was cut off because the answer became too long, so it was not run."


class Reply:
    """A reply as it grows.

    The reply is the fold of its events: what a client makes of the stream is what the agent remembers. The journal
    records it at the end of each step, and waits for that before a tool runs. ``state`` is the agent's and changes with
    the reply. With a ``structured_schema`` (see ``structured.structured_schema``) a new reply ends with such an output.
    A reply that has begun to work takes in what ``arrivals`` gives before each step of reasoning.
    """

    def __init__(
        self,
        agent: Agent,
        state: AgentState,
        journal: Journal,
        interruption: Interruption,
        clock: Clock,
        *,
        structured_schema: dict[str, Any] | None = None,
        arrivals: Arrivals = none,
    ) -> None:
        self._standing = standing = Standing(agent, state, clock)
        self._agent = agent
        self._state = state
        self._journal = journal
        self._interruption = interruption
        self._clock = clock
        if not standing.resumed:
            state.reply_context = ReplyContext(structured_schema=structured_schema)
        before = state.context[:-1] if standing.resumed else state.context
        self._conversation = Conversation(standing, interruption, before, lambda: self.state)
        self._arriving = Arriving(arrivals, standing, interruption)
        self._working = standing.resumed
        self._round = state.reply_context.cur_iter
        self._changes = Changes(state, clock)
        self._begun = False
        self._asking = False
        self._done = False
        self._said = False
        self.parked = False
        self.left = False
        self.discarded = False

    @property
    def id(self) -> str:
        return self._standing.reply_id

    @property
    def message(self) -> Msg:
        """The reply as it stands."""
        return self._standing.message

    @property
    def state(self) -> AgentState:
        """What the agent remembers as of now; the reply stands last in the context."""
        return replace(
            self._state,
            context=[*self._conversation.earlier, *self._remembered()],
            reply_context=ReplyContext() if self._done else self._open_reply(),
        )

    def _open_reply(self) -> ReplyContext:
        return replace(self._state.reply_context, reply_id=self.id, cur_iter=self._round)

    def _remembered(self) -> list[Msg]:
        """The reply; once it has ended, without what is in the summary. Of one that is discarded nothing is left but
        what was said to it.
        """
        message, summarised = self.message, self._state.reply_context.summarised
        if self.discarded:
            return said(message.content[summarised:])
        if not self._done or not summarised:
            return [message]
        return [replace(message, content=message.content[summarised:])] if message.content[summarised:] else []

    async def events(self, inputs: Sequence[Msg] = (), answer: Answer | None = None) -> AsyncGenerator[ev.Event]:
        """What happens, from ``REPLY_START``, the ``answer`` to a question, or where an earlier worker stopped, to
        ``REPLY_END`` or to where the reply is ``parked``: then it waits for an answer, or, when it was ``left``, for
        another worker.
        """
        reply = self._agent.around("on_reply", self._reply)
        self._before = self._conversation.earlier
        self._conversation.earlier = [*self._before, *inputs]
        failure: Exception = RuntimeError("a middleware ended the reply without REPLY_END")
        around = cast("AsyncGenerator[ev.Event]", reply(inputs=inputs, answer=answer))
        if reply != self._reply:  # what a middleware waits for
            around = self._interruption.heard(around)
        try:
            async with aclosing(around) as events:
                async for event in events:
                    yield self._happened(event)
        except Interrupted as wish:  # heard while a middleware waited
            failure = wish
            self.parked = self.left = False
        except Exception as error:  # noqa: BLE001 - logged below, with what it left open
            failure.__cause__ = error
            self.parked = self.left = False
        if not self._done and not self.parked:  # whatever a middleware left open is closed all the same
            log.warning("reply %s was broken off", self.id, exc_info=failure)
            for event in self._after_failure(failure):
                yield self._happened(event)
        self._journal.record()

    def _happened(self, event: ev.Event) -> ev.Event:
        self._standing.fold.apply(event)
        self._begun = True
        self._asking = isinstance(event, ev.ModelCallStart) or (self._asking and not isinstance(event, ev.ModelCallEnd))
        if isinstance(event, ev.ReplyEnd):
            self._done, self.discarded = True, "discarded" in event.metadata
        return event

    async def _reply(self, *, inputs: Sequence[Msg], answer: Answer | None) -> AsyncGenerator[ev.Event]:
        with suppress(Interrupted), self._interruption:  # the rounds end at once then
            said = await admitted(inputs, self._agent.model.input_types, self._agent.offload)
            self._conversation.earlier = [*self._before, *said]
        for event in await openings.opening(self._standing, self._interruption, answer):
            yield event
        for change in self._changes.events():
            yield change
        self._journal.record()
        while not self._done and not self.parked:
            before = self._progress()
            async for event in self._rounds():
                yield event
            if not self._done and not self.parked and self._progress() == before:
                raise RuntimeError("a middleware kept REPLY_END back and nothing else happened")

    async def _rounds(self) -> AsyncGenerator[ev.Event]:
        """Rounds until an end; the end is told last, when all that was open is closed. A parked reply has none."""
        reason: FinishedReason = "completed"
        error: ErrorInfo | None = None
        self._said = False
        try:
            self._interruption.between_steps()  # whatever was wished before this began
            async with aclosing(self._interruption.heard(self._work())) as events:
                async for event in events:
                    yield event
            if self.parked:
                return
            if not self._said:
                reason = "exceed_max_iters"
        except Exception as failure:
            if not isinstance(failure, Interrupted):
                log.warning("reply %s failed", self.id, exc_info=failure)
            reason, error = cause(failure, self._interruption)
        for event in self._closed():
            yield event
        if reason == "exceed_max_iters":
            yield ev.ExceedMaxIters(reply_id=self.id, name=self._agent.name, created_at=self._clock())
        yield self._end(reason, error)

    async def _work(self) -> AsyncGenerator[ev.Event]:
        while not self._said:
            calls = self._standing.open_calls
            able = ready(calls)
            if self._parks(calls, able):
                return
            if calls:
                async for event in self._act(able):
                    yield event
                if not self._standing.open_calls:
                    self._round += 1
                self._journal.record()
            elif self._state.reply_context.structured_output is not None:
                self._said = True
            elif self._round >= self._last_round:
                return
            else:
                self._interruption.between_steps()
                async for event in self._arrived():
                    yield event
                async for event in self._reason():
                    yield event

    def _parks(self, calls: list[ToolCallBlock], able: list[ToolCallBlock]) -> bool:
        """Whether nothing more is done here: all that is open waits for an answer, or the rest is done elsewhere.

        Raises Interrupted.
        """
        if calls:
            self._interruption.between_steps()
        waits = bool(calls) and not able
        self.left = self._interruption.leaves and not waits
        self.parked = waits or self.left
        return self.parked

    async def _arrived(self) -> AsyncGenerator[ev.Event]:
        """What was said meanwhile. The first step is to answer what the reply began with."""
        hints = await self._arriving.take() if self._working else []
        self._working = True
        for hint in hints:
            yield hint
        if hints:
            self._journal.record()

    async def _reason(self) -> AsyncGenerator[ev.Event]:
        with self._interruption:
            tools = await self._standing.tools()
        async with aclosing(self._conversation.prepare(tools)) as events:
            async for event in events:
                yield event
                if isinstance(event, ev.Custom):  # the conversation was shortened, for which a model was asked
                    self._journal.record()
        self._interruption.between_steps()
        reasoning = Reasoning(self._agent, self.id, self._interruption, self._clock)

        def ask(*, tool_choice: ToolChoice) -> AsyncGenerator[ev.Event]:
            return reasoning.events(self._conversation.request(tools, tool_choice))

        answer = self._agent.around("on_reasoning", ask)(tool_choice=self._choice())
        async with aclosing(cast("AsyncGenerator[ev.Event]", answer)) as events:
            async for event in events:
                yield event
                if isinstance(event, ev.ModelCallEnd):
                    self._conversation.counted(event)
        calls = self._standing.open_calls
        if calls and reasoning.finish is not None and reasoning.finish.reason == "length":
            for event in self._standing.close(calls, _CUT, "error"):
                yield event
            self._round += 1
        if calls:
            return
        self._said = not reasoning.only_thought and not self._standing.structured
        self._round += not self._said
        if self._standing.structured:
            yield self._standing.hint(reminder(last=self._round >= self._agent.config.max_iters))

    async def _act(self, calls: list[ToolCallBlock]) -> AsyncGenerator[ev.Event]:
        with self._interruption:
            tools = await self._standing.tools()
        phase = ToolPhase(self._standing, tools, self._journal, self._interruption)
        async with aclosing(phase.events(calls)) as events:
            async for event in events:
                yield event
                if isinstance(event, ev.ToolResultEnd):
                    for change in self._changes.events():
                        yield change

    @property
    def _last_round(self) -> int:
        config = self._agent.config
        return config.max_iters + config.structured_output_grace_iters * self._standing.structured

    def _choice(self) -> ToolChoice:
        late = self._standing.structured and self._round >= self._agent.config.max_iters
        return ToolChoice(STRUCTURED_OUTPUT) if late else ToolChoice()

    # -- what stands

    def _progress(self) -> tuple[int, int]:
        return self._round, len(self.message.content)

    # -- beginnings and ends

    def _after_failure(self, failure: Exception) -> list[ev.Event]:
        """All that a reply lacks whose events broke off."""
        opening = [] if self._begun else [openings.begin(self._standing)]
        return [*opening, *self._closed(), self._end(*cause(failure, self._interruption))]

    def _closed(self) -> list[ev.Event]:
        """What was given to the reply and not told, and the ends of all that is open."""
        return [*self._arriving.untold(), *closed(self._standing, self._interruption, asking=self._asking)]

    def _end(self, reason: FinishedReason, error: ErrorInfo | None) -> ev.ReplyEnd:
        return end(self._standing, self._interruption, reason, error)
