"""A reply as it stands: what has happened so far, which of its calls are open, and which of them can go on."""

from collections.abc import Sequence

from msgspec.structs import replace

from agentsvc.agent.agent import Agent
from agentsvc.agent.results import ResultEvents
from agentsvc.agent.tools import Tools
from agentsvc.domain import events as ev
from agentsvc.domain.fold import Fold
from agentsvc.domain.ids import new_id
from agentsvc.domain.messages import Msg, ToolCallBlock, ToolResultBlock, ToolResultState
from agentsvc.domain.states import AgentState
from agentsvc.domain.times import Clock


class Standing:
    """What all parts of a reply share. ``state`` is the agent's, and changes with the reply."""

    def __init__(self, agent: Agent, state: AgentState, clock: Clock) -> None:
        self.agent = agent
        self.state = state
        self.clock = clock
        self.resumed = bool(state.reply_context.reply_id)
        self.fold = Fold(_rewound(state.context[-1]) if self.resumed else self._empty())
        self.results = ResultEvents(self.reply_id, clock)

    @property
    def reply_id(self) -> str:
        return self.fold.reply_id

    @property
    def message(self) -> Msg:
        return self.fold.message()

    @property
    def begun(self) -> set[str]:
        """The ids of calls that have a result, finished or not."""
        return {block.id for block in self.message.content if isinstance(block, ToolResultBlock)}

    @property
    def open_calls(self) -> list[ToolCallBlock]:
        return open_calls(self.message)

    @property
    def structured(self) -> bool:
        """An answer of a certain form is asked for, which only a call of its tool gives."""
        return self.state.reply_context.structured_schema is not None

    def close(
        self, calls: Sequence[ToolCallBlock], text: str, state: ToolResultState = "interrupted"
    ) -> list[ev.Event]:
        """Results for calls that will have no other."""
        return self.results.closing(calls, self.begun, text, state)

    async def tools(self) -> Tools:
        """What is active now."""
        return await self.agent.toolkit.snapshot(self.state)

    def hint(self, text: str, source: str | None = None) -> ev.Event:
        return ev.HintBlockEvent(
            reply_id=self.reply_id, block_id=new_id(), hint=text, source=source, created_at=self.clock()
        )

    def _empty(self) -> Msg:
        return Msg(id=new_id(), name=self.agent.name, role="assistant", content=[], created_at=self.clock())


def open_calls(message: Msg) -> list[ToolCallBlock]:
    """Calls without a finished result."""
    results = (block for block in message.content if isinstance(block, ToolResultBlock))
    finished = {block.id for block in results if block.state != "running"}
    return [block for block in message.content if isinstance(block, ToolCallBlock) and block.id not in finished]


def ready(calls: Sequence[ToolCallBlock]) -> list[ToolCallBlock]:
    """The open calls that can go on: those that somebody allowed, and the others when nothing waits for an answer."""
    awaiting = any(call.state in ("asking", "submitted") for call in calls)
    return [call for call in calls if call.state == "allowed" or (call.state == "pending" and not awaiting)]


def _rewound(message: Msg) -> Msg:
    """The message without what a call in flight had given: the call is closed or done again from its start."""
    blocks = [
        replace(block, output=[]) if isinstance(block, ToolResultBlock) and block.state == "running" else block
        for block in message.content
    ]
    return replace(message, content=blocks)
