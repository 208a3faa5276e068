"""The results of tool calls as events of one reply."""

from collections.abc import Iterable
from typing import Any

from agentsvc.agent.tool import ToolChunk
from agentsvc.domain import events as ev
from agentsvc.domain.messages import (
    Base64Source,
    DataBlock,
    TextBlock,
    ToolCallBlock,
    ToolResultBlock,
    ToolResultState,
    URLSource,
)
from agentsvc.domain.times import Clock


class ResultEvents:
    """``start``, then any number of deltas, then ``end``."""

    def __init__(self, reply_id: str, clock: Clock) -> None:
        self._reply_id = reply_id
        self._clock = clock

    def start(self, call: ToolCallBlock) -> ev.Event:
        return ev.ToolResultStart(
            reply_id=self._reply_id, tool_call_id=call.id, tool_call_name=call.name, created_at=self._clock()
        )

    def text(self, call_id: str, text: str) -> ev.Event:
        return ev.ToolResultTextDelta(
            reply_id=self._reply_id, tool_call_id=call_id, delta=text, created_at=self._clock()
        )

    def end(self, call_id: str, state: ToolResultState, metadata: dict[str, Any] | None = None) -> ev.Event:
        return ev.ToolResultEnd(
            reply_id=self._reply_id,
            tool_call_id=call_id,
            state=state,
            metadata=metadata or {},
            created_at=self._clock(),
        )

    def deltas(self, call_id: str, chunk: ToolChunk) -> list[ev.Event]:
        return [
            self.text(call_id, block.text) if isinstance(block, TextBlock) else self._data(call_id, block)
            for block in chunk.content
        ]

    def closing(
        self, calls: Iterable[ToolCallBlock], started: Iterable[str], text: str, state: ToolResultState
    ) -> list[ev.Event]:
        """A whole result with the same text for each of the calls; some have started already."""
        known = set(started)
        events: list[ev.Event] = []
        for call in calls:
            if call.id not in known:
                events.append(self.start(call))
            events += (self.text(call.id, text), self.end(call.id, state))
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


def as_chunk(result: ToolResultBlock) -> ToolChunk:
    """A result that came as a whole."""
    content: list[TextBlock | DataBlock]
    content = [TextBlock(text=result.output)] if isinstance(result.output, str) else result.output
    state: ToolResultState = "success" if result.state == "running" else result.state
    return ToolChunk(content=content, state=state, metadata=result.metadata)
