"""From the deltas of a model to the events of a reply: which blocks are open, and when each is closed."""

from collections.abc import Iterator
from typing import assert_never

from agentsvc.agent.model import DataDelta, Finish, ModelDelta, TextDelta, ThinkingDelta, ToolCallDelta
from agentsvc.domain import events as ev
from agentsvc.domain.ids import new_id
from agentsvc.domain.times import Clock


class Blocks:
    """The blocks of one model answer.

    A text, thinking or data block ends when something else begins; tool calls, whose deltas may interleave, end with
    the answer, in the order in which they began. Call ids are ours: providers repeat theirs.
    """

    def __init__(self, reply_id: str, clock: Clock) -> None:
        self._reply_id = reply_id
        self._clock = clock
        self._kind = ""
        self._block_id = ""
        self._extras: dict[str, str] = {}
        self._calls: dict[int, str] = {}
        self._thought = False
        self._spoke = False
        self.finish: Finish | None = None

    @property
    def only_thought(self) -> bool:
        """There is thinking, and nothing came of it: the model wants to go on."""
        return self._thought and not self._spoke and not self._calls

    def take(self, delta: ModelDelta) -> Iterator[ev.Event]:
        """The events that a delta makes."""
        at = self._clock()
        match delta:
            case TextDelta(text=text):
                if self._kind != "text":
                    yield from self._begin("text", at)
                    self._spoke = True
                    yield ev.TextBlockStart(reply_id=self._reply_id, block_id=self._block_id, created_at=at)
                yield ev.TextBlockDelta(reply_id=self._reply_id, block_id=self._block_id, delta=text, created_at=at)
            case ThinkingDelta():
                yield from self._think(delta, at)
            case ToolCallDelta():
                yield from self._call(delta, at)
            case DataDelta():
                yield from self._data(delta, at)
            case Finish():
                self.finish = delta
            case _:
                assert_never(delta)

    def close(self) -> Iterator[ev.Event]:
        """The ends of all that is open."""
        at = self._clock()
        yield from self._end(at)
        for call_id in self._calls.values():
            yield ev.ToolCallEnd(reply_id=self._reply_id, tool_call_id=call_id, created_at=at)

    def _begin(self, kind: str, at: str) -> Iterator[ev.Event]:
        yield from self._end(at)
        self._kind, self._block_id = kind, new_id()

    def _end(self, at: str) -> Iterator[ev.Event]:
        kind, self._kind = self._kind, ""
        if kind == "text":
            yield ev.TextBlockEnd(reply_id=self._reply_id, block_id=self._block_id, created_at=at)
        elif kind == "thinking":
            extras, self._extras = self._extras, {}
            yield ev.ThinkingBlockEnd(
                reply_id=self._reply_id, block_id=self._block_id, created_at=at, metadata=dict(extras)
            )
        elif kind:
            yield ev.DataBlockEnd(reply_id=self._reply_id, block_id=self._block_id, created_at=at)

    def _think(self, delta: ThinkingDelta, at: str) -> Iterator[ev.Event]:
        if self._kind != "thinking":
            yield from self._begin("thinking", at)
            self._thought = True
            yield ev.ThinkingBlockStart(reply_id=self._reply_id, block_id=self._block_id, created_at=at)
        self._extras |= delta.extras
        if delta.text:
            yield ev.ThinkingBlockDelta(
                reply_id=self._reply_id, block_id=self._block_id, delta=delta.text, created_at=at
            )

    def _data(self, delta: DataDelta, at: str) -> Iterator[ev.Event]:
        if self._kind != delta.media_type:
            yield from self._begin(delta.media_type, at)
            yield ev.DataBlockStart(
                reply_id=self._reply_id, block_id=self._block_id, media_type=delta.media_type, created_at=at
            )
        self._spoke = True
        yield ev.DataBlockDelta(
            reply_id=self._reply_id,
            block_id=self._block_id,
            data=delta.data,
            media_type=delta.media_type,
            created_at=at,
        )

    def _call(self, delta: ToolCallDelta, at: str) -> Iterator[ev.Event]:
        call_id = self._calls.get(delta.index)
        if call_id is None:
            yield from self._end(at)
            call_id = self._calls[delta.index] = new_id()
            yield ev.ToolCallStart(
                reply_id=self._reply_id, tool_call_id=call_id, tool_call_name=delta.name or "", created_at=at
            )
        if delta.arguments:
            yield ev.ToolCallDelta(reply_id=self._reply_id, tool_call_id=call_id, delta=delta.arguments, created_at=at)
