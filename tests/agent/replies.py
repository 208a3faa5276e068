"""A reply with everything around it in the test's hands."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

import msgspec

from agentsvc.agent.agent import Agent, AgentMiddleware
from agentsvc.agent.answers import Answer
from agentsvc.agent.arrivals import Arrivals, none
from agentsvc.agent.interruption import Interruption
from agentsvc.agent.loop import Reply
from agentsvc.agent.model import ChatModelBase
from agentsvc.agent.sources import ToolSource
from agentsvc.agent.tool import ToolBase
from agentsvc.agent.toolkit import Toolkit
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ReActConfig
from agentsvc.domain.fold import Fold
from agentsvc.domain.messages import Msg, ToolCallBlock
from agentsvc.domain.permissions import PermissionContext, PermissionMode, PermissionRule
from agentsvc.domain.states import AgentState

_TAGS = {"TOOL": "tool_call_id", "TEXT": "block_id", "THINKING": "block_id"}


class Notebook:
    """A journal in memory: each state that was recorded, and how much of it was waited for."""

    def __init__(self) -> None:
        self.recorded: list[AgentState] = []
        self.settled = 0
        self.reply: Reply

    def record(self) -> None:
        self.recorded.append(self.reply.state)

    async def settle(self) -> None:
        self.settled = len(self.recorded)


class Talk:
    """One agent and one session, reply after reply."""

    def __init__(
        self,
        model: ChatModelBase,
        *,
        tools: Iterable[ToolBase | ToolSource] = (),
        middlewares: Sequence[AgentMiddleware] = (),
        fallback: ChatModelBase | None = None,
        max_iters: int = 50,
        state: AgentState | None = None,
        mode: PermissionMode = "bypass",
        arrivals: Arrivals = none,
        **more: Any,
    ) -> None:
        """``more`` are further parts of the agent."""
        config = ReActConfig(max_iters=max_iters, structured_output_grace_iters=2)
        self.agent = Agent("bob", "Be brief.", model, fallback, Toolkit(tools), middlewares, config, **more)
        self.state = state or AgentState(session_id="s1", permission_context=PermissionContext(mode=mode))
        self.interruption = Interruption()
        self.arrivals = arrivals
        self.journal = Notebook()
        self.events: list[ev.Event] = []
        self.happened = asyncio.Event()
        self._ticks = count()

    def clock(self) -> str:
        return f"2026-01-01T00:00:00.{next(self._ticks):06d}+00:00"

    async def say(self, *texts: str, schema: dict[str, Any] | None = None) -> Msg:
        """One reply to the end; its events are in ``events``."""
        return await self.go_on([Msg.user(text) for text in texts], schema=schema)

    async def go_on(
        self, inputs: Sequence[Msg] = (), answer: Answer | None = None, *, schema: dict[str, Any] | None = None
    ) -> Msg:
        self.events.clear()
        self.reply = self.journal.reply = Reply(
            self.agent,
            self.state,
            self.journal,
            self.interruption,
            self.clock,
            structured_schema=schema,
            arrivals=self.arrivals,
        )
        async for event in self.reply.events(inputs, answer):
            self.events.append(event)
            self.happened.set()
            self.happened.clear()
        self.state = self.reply.state
        return self.reply.message

    def reload(self) -> None:
        """Go on with what is left of the state when it was written and read again."""
        self.state = msgspec.json.decode(msgspec.json.encode(self.state), type=AgentState)

    async def confirm(self, *calls: ToolCallBlock, confirmed: bool = True, rules: Sequence[PermissionRule] = ()) -> Msg:
        """The answer of a person to what was asked about these calls."""
        results = [ev.ConfirmResult(confirmed=confirmed, tool_call=call, rules=list(rules) or None) for call in calls]
        return await self.go_on(answer=ev.UserConfirmResult(reply_id=self.reply.id, confirm_results=results))

    def asked(self) -> list[ToolCallBlock]:
        """The calls that the last events asked about."""
        return [call for event in self.of(ev.RequireUserConfirm) for call in event.tool_calls]

    async def until(self, kind: type[ev.Event]) -> None:
        """Until an event of this kind has come."""
        while not any(isinstance(event, kind) for event in self.events):
            await self.happened.wait()

    def kinds(self) -> list[str]:
        """The types of the events, deltas of the same block as one."""
        kinds: list[str] = []
        for event in self.events:
            kind = str(event.__struct_config__.tag)
            if not (kind.endswith("DELTA") and kinds and kinds[-1] == kind):
                kinds.append(kind)
        return kinds

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def folded(self) -> Msg:
        """What a client makes of the events."""
        start = self.events[0]
        assert isinstance(start, ev.ReplyStart)
        fold = Fold.start(start)
        for event in self.events:
            fold.apply(event)
        return fold.message()
