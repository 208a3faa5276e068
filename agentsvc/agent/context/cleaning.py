"""One message of a history, so that nothing in it is empty, unreadable or of a kind that no provider takes."""

from collections.abc import Sequence
from typing import Any, assert_never

import msgspec
from msgspec.structs import replace

from agentsvc.agent.context.notices import reminder
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
)

_SILENT = reminder("The tool gave no output.")
_CUT = reminder("The call was cut off here; whether it had an effect is not known.")
_ENDED = frozenset({"success", "error", "interrupted", "denied"})

_object = msgspec.json.Decoder(dict[str, Any])


def clean(message: Msg) -> Msg | None:
    """The same object when nothing is wrong with it, None when nothing of it is left.

    System messages become reminders: only the first message of a request may be one, and that is not of the history.
    """
    blocks = [cleaned for block in message.content if (cleaned := _clean(block)) is not None]
    if not blocks:
        return None
    if message.role == "system":
        told = [replace(block, text=reminder(block.text)) for block in blocks if isinstance(block, TextBlock)]
        return replace(message, role="user", name="user", content=told)
    role = message.role if message.role == "user" else "assistant"
    if role == message.role and same(blocks, message.content):
        return message
    return replace(message, role=role, content=blocks)


def same(ones: Sequence[object], others: Sequence[object]) -> bool:
    """Whether they hold the same objects."""
    return len(ones) == len(others) and all(one is other for one, other in zip(ones, others, strict=True))


def _clean(block: Block) -> Block | None:
    match block:
        case TextBlock(text=text):
            return block if text.strip() else None
        case ThinkingBlock():
            return block if block.thinking.strip() or _extras(block) else None
        case DataBlock(source=source):
            return block if (source.data if isinstance(source, Base64Source) else source.url) else None
        case HintBlock():
            return _hint(block)
        case ToolCallBlock():
            return _call(block)
        case ToolResultBlock():
            return _result(block)
        case _:
            assert_never(block)


def _extras(block: ThinkingBlock) -> bool:
    return bool(block.extras) or any(
        isinstance(each, str) and each
        for each in (block.signature, block.redacted_thinking_data, block.reasoning_item_id)
    )


def _hint(block: HintBlock) -> HintBlock | None:
    if isinstance(block.hint, str):
        return block if block.hint.strip() else None
    kept = _filled(block.hint)
    if not kept:
        return None
    return block if same(kept, block.hint) else replace(block, hint=kept)


def _call(block: ToolCallBlock) -> ToolCallBlock:
    arguments, name = arguments_text(block.input), block.name or "unknown"
    return block if arguments == block.input and name == block.name else replace(block, input=arguments, name=name)


def arguments_text(text: str) -> str:
    """The arguments as they were written when they are a JSON object, else an object that quotes them."""
    if not text.strip():
        return "{}"
    try:
        _object.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        quoted = text.encode("utf-8", "replace").decode()
        return msgspec.json.encode({"malformed_arguments": quoted}).decode()
    return text


def _result(block: ToolResultBlock) -> ToolResultBlock:
    output = block.output if isinstance(block.output, str) else _filled(block.output)
    if isinstance(output, str) and not output.strip():
        output = []
    if block.state not in _ENDED:
        said = (
            [TextBlock(id=f"{block.id}/0", created_at=block.created_at, text=output)]
            if isinstance(output, str)
            else output
        )
        cut = TextBlock(id=f"{block.id}/cut", created_at=block.created_at, text=_CUT)
        return replace(block, output=[*said, cut], state="interrupted")
    if not output:
        return replace(block, output=_SILENT)
    if output is block.output or same(output, block.output):
        return block
    return replace(block, output=output)


def _filled(blocks: Sequence[TextBlock | DataBlock]) -> list[TextBlock | DataBlock]:
    return [block for block in blocks if _clean(block) is not None]
