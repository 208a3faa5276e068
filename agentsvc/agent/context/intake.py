"""What a user sends, in the form in which the conversation keeps it."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from msgspec.structs import replace

from agentsvc.agent.context.notices import quoted, reminder
from agentsvc.agent.context.offload import Offload, keep_medium
from agentsvc.domain.messages import Base64Source, Block, DataBlock, Msg, TextBlock

_READABLE = ("text/*", "application/json")
"""What can be shown as text to any model."""


async def admitted(messages: Sequence[Msg], accepts: Sequence[str], offload: Offload | None) -> list[Msg]:
    """The messages with media that the model cannot be shown (``accepts`` are media types such as ``image/*``) kept
    where tools find them, and mentioned. Without a place for them they stay: the model is told that they are there.
    """
    if offload is None:
        return list(messages)
    return [await _admitted(message, (*accepts, *_READABLE), offload) for message in messages]


async def _admitted(message: Msg, accepts: Sequence[str], offload: Offload) -> Msg:
    if not any(_is_strange(block, accepts) for block in message.content):
        return message
    content = [await _kept(block, offload) if _is_strange(block, accepts) else block for block in message.content]
    return replace(message, content=content)


def _is_strange(block: Block, accepts: Sequence[str]) -> bool:
    if not isinstance(block, DataBlock) or not isinstance(block.source, Base64Source):
        return False
    kind = block.source.media_type.lower().partition(";")[0].strip()
    return not any(fnmatchcase(kind, pattern) for pattern in accepts)


async def _kept(block: Block, offload: Offload) -> Block:
    if not isinstance(block, DataBlock) or (at := await keep_medium(offload, block)) is None:
        return block
    name = f" {block.name}" if block.name else ""
    told = f"The user sent a file{name} of type {block.source.media_type}, which you cannot be shown. It is at {at}."
    return TextBlock(id=block.id, created_at=block.created_at, text=reminder(quoted(told)))
