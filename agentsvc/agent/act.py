"""The tool calls of one answer: in what order they run, and what becomes of them."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from agentsvc.agent.agent import Agent
from agentsvc.agent.context.truncation import Truncator
from agentsvc.agent.interruption import Interruption, was_cancelled
from agentsvc.agent.results import ResultEvents
from agentsvc.agent.tool import ToolChunk
from agentsvc.agent.tools import Prepared, Tools
from agentsvc.domain import events as ev
from agentsvc.domain.messages import ToolCallBlock, ToolResultState
from agentsvc.domain.states import AgentState

_AHEAD = 64  # events of running tools that wait to be read
_GRACE = 0.5  # seconds that a cancelled tool has to clean up before the reply goes on without it


def batches(tools: Tools, calls: Sequence[ToolCallBlock]) -> list[list[ToolCallBlock]]:
    """Neighbours that may run side by side are together; every other call is alone."""
    grouped: list[list[ToolCallBlock]] = []
    together = False
    for call in calls:
        tool = tools.get(call.name)
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
        self, agent: Agent, tools: Tools, state: AgentState, results: ResultEvents, interruption: Interruption
    ) -> None:
        self._agent = agent
        self._tools = tools
        self._state = state
        self._results = results
        self._interruption = interruption

    async def events(self, ready: Sequence[Prepared]) -> AsyncGenerator[ev.Event]:
        """The results of calls that run side by side. Raises Interrupted when they were stopped; then they have ended.

        The tools run in tasks of their own and are ended before this generator is.
        """
        queue: asyncio.Queue[ev.Event | None] = asyncio.Queue(_AHEAD)
        running = [
            asyncio.create_task(self._run(prepared, queue), name=f"tool {prepared.call.name}") for prepared in ready
        ]
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
            if running:
                await asyncio.wait(running, timeout=_GRACE)

    async def _run(self, prepared: Prepared, queue: "asyncio.Queue[ev.Event | None]") -> None:
        call = prepared.call
        outcome: ToolResultState = "success"
        metadata: dict[str, Any] = {}

        def chunks(*, tool_call: ToolCallBlock) -> AsyncIterator[ToolChunk]:
            changed = tool_call is not call
            return self._tools.run(self._tools.prepare(tool_call) if changed else prepared, self._state)

        act = self._agent.around("on_acting", chunks)
        limited = self._limited(cast("AsyncGenerator[ToolChunk]", act(tool_call=call)))
        try:
            async with aclosing(limited) as given:
                async for chunk in given:
                    for event in self._results.deltas(call.id, chunk):
                        await queue.put(event)
                    metadata |= chunk.metadata
                    outcome = _worse(outcome, chunk.state)
        except (Exception, asyncio.CancelledError) as error:  # a middleware's failure is the call's
            if was_cancelled():
                raise
            await queue.put(self._results.text(call.id, f"The tool call failed: {error}"))
            outcome = "error"
        await queue.put(self._results.end(call.id, outcome, metadata))
        await queue.put(None)

    async def _limited(self, chunks: AsyncGenerator[ToolChunk]) -> AsyncGenerator[ToolChunk]:
        """The chunks, as far as a result may be shown; the rest is kept elsewhere."""
        truncator = Truncator(self._agent.context_config.tool_result_limit)
        async with aclosing(chunks) as given:
            async for chunk in given:
                yield truncator.feed(chunk)
        end = await truncator.finish(self._agent.offload)
        if end is not None:
            yield end


_GRAVITY: Mapping[ToolResultState, int] = {"running": 0, "success": 1, "denied": 2, "interrupted": 3, "error": 4}


def _worse(one: ToolResultState, other: ToolResultState) -> ToolResultState:
    return one if _GRAVITY[one] >= _GRAVITY[other] else other
