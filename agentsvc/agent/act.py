"""The tool calls of one answer: in what order they run, and what becomes of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from agentsvc.agent.agent import Agent
from agentsvc.agent.interruption import Interruption, was_cancelled
from agentsvc.agent.tool import ToolChunk
from agentsvc.domain import events as ev
from agentsvc.domain.messages import Base64Source, DataBlock, TextBlock, ToolCallBlock, ToolResultState, URLSource
from agentsvc.domain.states import AgentState
from agentsvc.domain.times import Clock

_AHEAD = 64  # events of running tools that wait to be read
_GRACE = 0.5  # seconds that a cancelled tool has to clean up before the reply goes on without it


def batches(agent: Agent, calls: Sequence[ToolCallBlock]) -> list[list[ToolCallBlock]]:
    """Neighbours that may run side by side are together; every other call is alone."""
    grouped: list[list[ToolCallBlock]] = []
    together = False
    for call in calls:
        tool = agent.toolkit.get(call.name)
        safe = tool is None or tool.is_concurrency_safe
        if safe and together:
            grouped[-1].append(call)
        else:
            grouped.append([call])
        together = safe
    return grouped


class Acting:
    """Runs the calls of one batch and tells what happens as events."""

    def __init__(
        self, agent: Agent, reply_id: str, state: AgentState, interruption: Interruption, clock: Clock
    ) -> None:
        self._agent = agent
        self._reply_id = reply_id
        self._state = state
        self._interruption = interruption
        self._clock = clock

    def start(self, call: ToolCallBlock) -> ev.Event:
        return ev.ToolResultStart(
            reply_id=self._reply_id, tool_call_id=call.id, tool_call_name=call.name, created_at=self._clock()
        )

    def end(self, call_id: str, state: ToolResultState, metadata: dict[str, Any] | None = None) -> ev.Event:
        return ev.ToolResultEnd(
            reply_id=self._reply_id,
            tool_call_id=call_id,
            state=state,
            metadata=metadata or {},
            created_at=self._clock(),
        )

    def text(self, call_id: str, text: str) -> ev.Event:
        return ev.ToolResultTextDelta(
            reply_id=self._reply_id, tool_call_id=call_id, delta=text, created_at=self._clock()
        )

    async def events(self, calls: Sequence[ToolCallBlock]) -> AsyncGenerator[ev.Event]:
        """The results of calls that run side by side. Raises Interrupted when they were stopped; then they have ended.

        The tools run in tasks of their own and are ended before this generator is.
        """
        queue: asyncio.Queue[ev.Event | None] = asyncio.Queue(_AHEAD)
        running = [asyncio.create_task(self._run(call, queue), name=f"tool {call.name}") for call in calls]
        try:
            left = len(running)
            while left:
                with self._interruption:
                    event = await queue.get()
                if event is None:
                    left -= 1
                else:
                    yield event
        finally:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=_GRACE)

    async def _run(self, call: ToolCallBlock, queue: "asyncio.Queue[ev.Event | None]") -> None:
        outcome: ToolResultState = "success"
        metadata: dict[str, Any] = {}
        act = self._agent.around("on_acting", self._chunks)
        try:
            async with aclosing(cast("AsyncGenerator[ToolChunk]", act(tool_call=call))) as chunks:
                async for chunk in chunks:
                    for event in self._deltas(call.id, chunk):
                        await queue.put(event)
                    metadata |= chunk.metadata
                    outcome = _worse(outcome, chunk.state)
        except (Exception, asyncio.CancelledError) as error:  # a middleware's failure is the call's
            if was_cancelled():
                raise
            await queue.put(self.text(call.id, f"The tool call failed: {error}"))
            outcome = "error"
        await queue.put(self.end(call.id, outcome, metadata))
        await queue.put(None)

    def _chunks(self, *, tool_call: ToolCallBlock) -> AsyncIterator[ToolChunk]:
        return self._agent.toolkit.run(tool_call, self._state)

    def _deltas(self, call_id: str, chunk: ToolChunk) -> list[ev.Event]:
        events: list[ev.Event] = []
        for block in chunk.content:
            if isinstance(block, TextBlock):
                events.append(self.text(call_id, block.text))
            else:
                events.append(self._data(call_id, block))
        return events

    def _data(self, call_id: str, block: DataBlock) -> ev.Event:
        source = block.source
        return ev.ToolResultDataDelta(
            reply_id=self._reply_id,
            tool_call_id=call_id,
            block_id=block.id,
            media_type=source.media_type,
            data=source.data if isinstance(source, Base64Source) else None,
            url=source.url if isinstance(source, URLSource) else None,
            created_at=self._clock(),
        )


_GRAVITY: Mapping[ToolResultState, int] = {"running": 0, "success": 1, "denied": 2, "interrupted": 3, "error": 4}


def _worse(one: ToolResultState, other: ToolResultState) -> ToolResultState:
    return one if _GRAVITY[one] >= _GRAVITY[other] else other
