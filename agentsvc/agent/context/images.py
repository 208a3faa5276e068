"""How many images a request shows: the oldest give way to a line of text."""

from collections.abc import Sequence

from msgspec.structs import replace

from agentsvc.agent.context.notices import quoted, reminder
from agentsvc.domain.messages import Block, DataBlock, HintBlock, Msg, TextBlock, ToolResultBlock, URLSource

_LONGEST_URL = 500


def limit_images(messages: Sequence[Msg], most: int, step: int = 1) -> list[Msg]:
    """The messages with at most ``most`` images, at whatever depth; untouched messages are the same objects.

    Blocks keep their places. Every image that goes changes a request at its old place, where a provider's cache ends:
    with a ``step`` they go so many at a time, so that it happens less often.
    """
    images = sum(map(_images_of, messages))
    if images <= most:
        return list(messages)
    surplus = min(images, -(-(images - most) // step) * step)
    limited: list[Msg] = []
    for message in messages:
        found = min(surplus, _images_of(message) if surplus else 0)
        surplus -= found
        limited.append(_without(message, found) if found else message)
    return limited


def is_image(block: Block) -> bool:
    return isinstance(block, DataBlock) and block.source.media_type.lower().startswith("image/")


def _images_of(message: Msg) -> int:
    # Most blocks are words: asked for each message of a long conversation, again in each round.
    return sum([_images_in(block) for block in message.content if not isinstance(block, TextBlock)])


def _images_in(block: Block) -> int:
    match block:
        case ToolResultBlock(output=list() as inner) | HintBlock(hint=list() as inner):
            return sum(map(is_image, inner))
        case _:
            return int(is_image(block))


def _without(message: Msg, surplus: int) -> Msg:
    """The message without its first images."""
    content: list[Block] = []
    for block in message.content:
        found = min(surplus, _images_in(block))
        surplus -= found
        content.append(_replaced(block, found, message.role) if found else block)
    return replace(message, content=content)


def _replaced(block: Block, surplus: int, role: str) -> Block:
    match block:
        case ToolResultBlock(output=list() as inner):
            return replace(block, output=_reminded(inner, surplus))
        case HintBlock(hint=list() as inner):
            return replace(block, hint=_reminded(inner, surplus))
        case DataBlock() if role == "assistant":  # as its own text the model would take it for something it said
            return HintBlock(id=block.id, created_at=block.created_at, finished_at=block.created_at, hint=_words(block))
        case DataBlock():
            return _text(block)
        case _:
            return block


def _reminded(blocks: Sequence[TextBlock | DataBlock], surplus: int) -> list[TextBlock | DataBlock]:
    kept: list[TextBlock | DataBlock] = []
    for block in blocks:
        if surplus and isinstance(block, DataBlock) and is_image(block):
            surplus -= 1
            kept.append(_text(block))
        else:
            kept.append(block)
    return kept


def _text(block: DataBlock) -> TextBlock:
    return TextBlock(id=block.id, created_at=block.created_at, finished_at=block.created_at, text=_words(block))


def _words(block: DataBlock) -> str:
    name = f" {block.name}" if block.name else ""
    url = block.source.url if isinstance(block.source, URLSource) else ""
    reference = f" It is at {url[:_LONGEST_URL]}." if url and not url.startswith("data:") else ""
    return reminder(quoted(f"An image{name} stood here and is not shown any more.{reference}"))
