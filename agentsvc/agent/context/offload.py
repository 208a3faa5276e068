"""What leaves a conversation and is kept elsewhere: dropped messages, their media, the rest of long results."""

import base64
import binascii
import hashlib
import logging
import re
from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec.structs import replace

from agentsvc.domain.messages import (
    Base64Source,
    Block,
    DataBlock,
    HintBlock,
    Msg,
    TextBlock,
    ToolResultBlock,
    URLSource,
)

log = logging.getLogger(__name__)

_encode_lines = msgspec.json.Encoder().encode_lines


class Offload(Protocol):
    """Keeps data and says where: a path the agent can read, None when it cannot be kept.

    ``name_hint`` is a plain file name, made from the content: the same content has the same name.
    """

    async def __call__(self, name_hint: str, data: bytes) -> str | None: ...


async def keep(offload: Offload | None, kind: str, suffix: str, data: bytes) -> str | None:
    """Where the data are now; None when they are not kept. A place that fails costs nothing but the data."""
    if offload is None:
        return None
    try:
        return await offload(f"{kind}-{digest(data)}{suffix}", data)
    except Exception:
        log.exception("%d bytes of a conversation could not be kept", len(data))
        return None


async def keep_messages(offload: Offload | None, messages: Sequence[Msg]) -> str | None:
    """Where the messages are now, as JSON Lines; their media are beside them and referred to."""
    if offload is None or not messages:
        return None
    lines = [
        replace(message, content=[await _light(block, offload) for block in message.content]) for message in messages
    ]
    try:
        data = _encode_lines(lines)
    except UnicodeEncodeError:  # a lone surrogate
        log.warning("messages that cannot be written were not kept")
        return None
    return await keep(offload, "messages", ".jsonl", data)


async def keep_medium(offload: Offload | None, block: DataBlock) -> str | None:
    """Where a medium is: its URL, or where its bytes are now."""
    if isinstance(block.source, URLSource):
        return block.source.url
    data = _decoded(block.source)
    return await keep(offload, "media", _suffix(block.source.media_type), data)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


async def _light(block: Block, offload: Offload) -> Block:
    """The block with references in place of media."""
    match block:
        case DataBlock():
            return await _referred(block, offload)
        case ToolResultBlock(output=list() as inner):
            return replace(block, output=[await _referred(each, offload) for each in inner])
        case HintBlock(hint=list() as inner):
            return replace(block, hint=[await _referred(each, offload) for each in inner])
        case _:
            return block


async def _referred(block: TextBlock | DataBlock, offload: Offload) -> TextBlock | DataBlock:
    if not isinstance(block, DataBlock) or isinstance(block.source, URLSource):
        return block
    at = await keep_medium(offload, block) or f"sha256:{digest(_decoded(block.source))}"
    return replace(block, source=URLSource(url=at, media_type=block.source.media_type))


def _suffix(media_type: str) -> str:
    found = re.fullmatch(r"[a-z]+/([a-z0-9]{1,10})\b.*", media_type.lower())
    return f".{found[1]}" if found else ".bin"


def _decoded(source: Base64Source) -> bytes:
    try:
        return base64.b64decode(source.data)
    except (binascii.Error, ValueError):
        return source.data.encode("utf-8", "replace")
