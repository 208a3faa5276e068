"""From events back to the message they describe. The agent, the journal, clients and tests share this one fold."""

import base64
from collections.abc import Iterable
from typing import assert_never

import msgspec
from msgspec.structs import replace

from agentsvc.domain import events as ev
from agentsvc.domain.messages import (
    Base64Source,
    Block,
    DataBlock,
    HintBlock,
    Msg,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    ToolResultBlock,
    URLSource,
    Usage,
)

_OF_PROVIDERS = ("signature", "redacted_thinking_data", "reasoning_item_id")


class Fold:
    """One reply as it grows: ``apply`` each event in order, ask for ``message()`` when it is wanted.

    An event costs O(1) whatever the length of the reply; ``message()`` joins what has grown since it was last asked.
    Events of another reply, deltas without a start and events of unknown types change nothing.
    """

    def __init__(self, message: Msg) -> None:
        self._start_over(message)

    @classmethod
    def start(cls, event: ev.ReplyStart) -> "Fold":
        """The empty message of a reply."""
        return cls(Msg(id=event.reply_id, name=event.name, role="assistant", content=[], created_at=event.created_at))

    def _start_over(self, message: Msg) -> None:
        self._message = message
        self._blocks: list[Block] = list(message.content)
        self._places = {_key(block): place for place, block in enumerate(self._blocks)}
        self._growing: dict[int, list[str]] = {}
        self._bytes: dict[int, list[bytes]] = {}
        self._changed = False

    @property
    def reply_id(self) -> str:
        return self._message.id

    def message(self) -> Msg:
        """The message as it stands. Blocks that did not change are the same objects as before."""
        if self._changed:
            for place in self._growing.keys() | self._bytes.keys():
                self._join(place)
            self._message = replace(self._message, content=list(self._blocks))
            self._changed = False
        return self._message

    def apply(self, event: ev.Event | ev.Unknown) -> None:
        """Take one event."""
        if isinstance(event, ev.TextBlockDelta) and event.reply_id == self._message.id:  # by far the most frequent
            self._grow(("text", event.block_id), event.delta)
            return
        if isinstance(event, ev.Custom):
            self._resume(event)
            return
        if isinstance(event, ev.Unknown) or event.reply_id != self._message.id:
            return
        self._apply(event)

    def _apply(self, event: ev.Event) -> None:  # noqa: C901, PLR0912, PLR0915 - one case for each type of event
        match event:
            case ev.TextBlockStart(block_id=block, created_at=at):
                self._add(TextBlock(id=block, created_at=at, text=""))
            case ev.TextBlockDelta(block_id=block, delta=delta):
                self._grow(("text", block), delta)
            case ev.TextBlockEnd(block_id=block, created_at=at):
                self._stamp(("text", block), at)
            case ev.ThinkingBlockStart(block_id=block, created_at=at):
                self._add(ThinkingBlock(id=block, created_at=at, thinking=""))
            case ev.ThinkingBlockDelta(block_id=block, delta=delta):
                self._grow(("thinking", block), delta)
            case ev.ThinkingBlockEnd(block_id=block, created_at=at, metadata=extras):
                self._end_thinking(block, at, extras)
            case ev.DataBlockStart(block_id=block, media_type=media, created_at=at):
                self._add(DataBlock(id=block, created_at=at, source=Base64Source(data="", media_type=media)))
            case ev.DataBlockDelta(block_id=block, data=data):
                self._grow_bytes(("data", block), data)
            case ev.DataBlockEnd(block_id=block, created_at=at):
                self._stamp(("data", block), at)
            case ev.HintBlockEvent(block_id=block, hint=hint, source=source, created_at=at):
                self._add(HintBlock(id=block, created_at=at, finished_at=at, hint=hint, source=source))
            case ev.ToolCallStart(tool_call_id=call, tool_call_name=name, created_at=at):
                self._add(ToolCallBlock(id=call, created_at=at, name=name))
            case ev.ToolCallDelta(tool_call_id=call, delta=delta):
                self._grow(("tool_call", call), delta)
            case ev.ToolCallEnd(tool_call_id=call, created_at=at):
                self._stamp(("tool_call", call), at)
            case ev.ToolResultStart(tool_call_id=call, tool_call_name=name, created_at=at):
                self._add(ToolResultBlock(id=call, created_at=at, name=name, output=[]))
            case ev.ToolResultTextDelta(tool_call_id=call, delta=delta, created_at=at):
                self._result_text(call, delta, at)
            case ev.ToolResultDataDelta(tool_call_id=call):
                self._result_data(event)
            case ev.ToolResultEnd(tool_call_id=call):
                self._end_result(event)
            case ev.RequireUserConfirm(tool_calls=calls):
                for asked in calls:
                    self._change_call(asked.id, state="asking", suggested_rules=asked.suggested_rules)
            case ev.RequireExternalExecution(tool_calls=calls):
                for submitted in calls:
                    self._change_call(submitted.id, state="submitted")
            case ev.UserConfirmResult(confirm_results=answers):
                for answer in answers:
                    self._confirm(answer)
            case ev.ExternalExecutionResult(execution_results=results, created_at=at):
                for result in results:
                    self._external(result, at)
            case ev.ModelCallEnd():
                self._count(event)
            case ev.ReplyEnd():
                self._end(event)
            case ev.ReplyStart() | ev.ModelCallStart() | ev.ExceedMaxIters() | ev.UserInterrupt() | ev.Custom():
                pass
            case _:
                assert_never(event)

    # -- blocks

    def _add(self, block: Block) -> None:
        key = _key(block)
        if key not in self._places:
            self._places[key] = len(self._blocks)
            self._blocks.append(block)
            self._changed = True

    def _grow(self, key: tuple[str, str], delta: str) -> None:
        place = self._places.get(key)
        if place is not None:
            self._growing.setdefault(place, []).append(delta)
            self._changed = True

    def _grow_bytes(self, key: tuple[str, str], data: str) -> None:
        place = self._places.get(key)
        if place is not None:
            self._bytes.setdefault(place, []).append(base64.b64decode(data))
            self._changed = True

    def _join(self, place: int) -> None:
        """Put what has grown into its block."""
        block = self._blocks[place]
        text = "".join(self._growing.pop(place, ()))
        match block:
            case TextBlock():
                self._blocks[place] = replace(block, text=block.text + text)
            case ThinkingBlock():
                self._blocks[place] = replace(block, thinking=block.thinking + text)
            case ToolCallBlock():
                self._blocks[place] = replace(block, input=block.input + text)
            case ToolResultBlock():
                self._blocks[place] = replace(block, output=_with_text(block, text))
            case DataBlock(source=Base64Source() as source):
                joined = b"".join([base64.b64decode(source.data), *self._bytes.pop(place, ())])
                data = base64.b64encode(joined).decode()
                self._blocks[place] = replace(block, source=replace(source, data=data))
            case _:
                pass

    def _settled(self, place: int) -> Block:
        if place in self._growing or place in self._bytes:
            self._join(place)
        return self._blocks[place]

    def _stamp(self, key: tuple[str, str], at: str) -> None:
        place = self._places.get(key)
        if place is not None:
            self._blocks[place] = replace(self._settled(place), finished_at=at)
            self._changed = True

    def _end_thinking(self, block_id: str, at: str, extras: dict[str, object]) -> None:
        self._stamp(("thinking", block_id), at)
        place = self._places.get(("thinking", block_id))
        if place is not None and extras:
            known = {key: extras[key] for key in _OF_PROVIDERS if key in extras}
            others = {key: value for key, value in extras.items() if key not in _OF_PROVIDERS}
            self._blocks[place] = replace(self._blocks[place], **known, extras=others or msgspec.UNSET)

    # -- tools

    def _change_call(self, call_id: str, **fields: object) -> None:
        place = self._places.get(("tool_call", call_id))
        if place is not None:
            self._blocks[place] = replace(self._settled(place), **fields)
            self._changed = True

    def _confirm(self, answer: ev.ConfirmResult) -> None:
        place = self._places.get(("tool_call", answer.tool_call.id))
        call = self._settled(place) if place is not None else None
        if isinstance(call, ToolCallBlock) and call.state == "asking":
            if answer.confirmed:
                self._change_call(call.id, state="allowed", input=answer.tool_call.input)
            else:
                self._change_call(call.id, state="finished")

    def _external(self, result: ToolResultBlock, at: str) -> None:
        if ("tool_result", result.id) not in self._places:
            self._add(result if result.finished_at else replace(result, finished_at=at))
            self._change_call(result.id, state="finished")

    def _result_text(self, call_id: str, delta: str, at: str) -> None:
        place = self._places.get(("tool_result", call_id))
        block = self._blocks[place] if place is not None else None
        if place is None or not isinstance(block, ToolResultBlock):
            return
        if isinstance(block.output, str) or not block.output or not isinstance(block.output[-1], TextBlock):
            items = _items(block)
            if not items or not isinstance(items[-1], TextBlock):
                items = [*items, TextBlock(id=f"{call_id}/{len(items)}", created_at=at, text="")]
            self._blocks[place] = replace(block, output=items)
        self._grow(("tool_result", call_id), delta)

    def _result_data(self, event: ev.ToolResultDataDelta) -> None:
        place = self._places.get(("tool_result", event.tool_call_id))
        block = self._settled(place) if place is not None else None
        if place is None or not isinstance(block, ToolResultBlock):
            return
        source = (
            URLSource(url=event.url, media_type=event.media_type)
            if event.url is not None
            else Base64Source(data=event.data or "", media_type=event.media_type)
        )
        item = DataBlock(id=event.block_id, created_at=event.created_at, source=source)
        self._blocks[place] = replace(block, output=[*_items(block), item])
        self._changed = True

    def _end_result(self, event: ev.ToolResultEnd) -> None:
        place = self._places.get(("tool_result", event.tool_call_id))
        if place is not None:
            self._blocks[place] = replace(
                self._settled(place), state=event.state, metadata=event.metadata, finished_at=event.created_at
            )
            self._changed = True
        self._change_call(event.tool_call_id, state="finished")

    # -- the message itself

    def _count(self, event: ev.ModelCallEnd) -> None:
        usage = Usage(
            input_tokens=event.input_tokens,
            output_tokens=event.output_tokens,
            cache_input_tokens=event.cache_input_tokens,
            cache_creation_input_tokens=event.cache_creation_input_tokens,
        )
        self._message = replace(self._message, usage=(self._message.usage or Usage()).plus(usage))

    def _end(self, event: ev.ReplyEnd) -> None:
        self._message = replace(
            self._message,
            finished_reason=event.finished_reason,
            error=event.error,
            finished_at=event.created_at,
            structured_output=event.metadata.get("structured_output", self._message.structured_output),
        )

    def _resume(self, event: ev.Custom) -> None:
        """Another worker goes on from the last step: what came after it, an end too, is void."""
        if event.name == ev.REPLY_RESUMED and event.value.get("reply_id") == self._message.id:
            blocks = msgspec.convert(event.value["content"], list[Block])
            usage = msgspec.convert(event.value.get("usage"), Usage | None)
            message = replace(self._message, finished_at=None, finished_reason=None, error=None, structured_output=None)
            self._start_over(replace(message, content=blocks, usage=usage))


def fold(message: Msg, events: Iterable[ev.Event | ev.Unknown]) -> Msg:
    """The message after these events."""
    folding = Fold(message)
    for event in events:
        folding.apply(event)
    return folding.message()


def _key(block: Block) -> tuple[str, str]:
    return str(block.__struct_config__.tag), block.id


def _items(block: ToolResultBlock) -> list[TextBlock | DataBlock]:
    if isinstance(block.output, str):
        return [TextBlock(id=f"{block.id}/0", created_at=block.created_at, text=block.output)]
    return block.output


def _with_text(block: ToolResultBlock, text: str) -> list[TextBlock | DataBlock]:
    """The output with more text at its end, which is a text already."""
    *before, last = _items(block)
    return [*before, replace(last, text=last.text + text)] if isinstance(last, TextBlock) else [*before, last]
