"""A tool result that is too long: its beginning is shown, the rest is kept elsewhere."""

from collections.abc import Sequence

from msgspec.structs import replace

from agentsvc.agent.context.notices import info, quoted
from agentsvc.agent.context.offload import Offload, keep, keep_medium
from agentsvc.agent.context.tokens import BYTES_PER_TOKEN, of_block
from agentsvc.agent.tool import ToolChunk
from agentsvc.domain.messages import Base64Source, DataBlock, TextBlock, ToolResultBlock

MARKER = "<<<TRUNCATED>>>"
MOST_KEPT = 16 * 1024 * 1024
"""Bytes of the rest of one result that are kept; what comes after that is only counted."""

Item = TextBlock | DataBlock


class Truncator:
    """Limits one result as it streams.

    What is shown is the longest beginning that fits, and ends between two characters; a medium that does not fit as a
    whole goes to the rest, and with it all that comes later. States and metadata pass.
    """

    def __init__(self, limit_tokens: int, most_kept: int = MOST_KEPT) -> None:
        self._room = limit_tokens * BYTES_PER_TOKEN
        self._most_kept = most_kept
        self._over = False
        self._rest: list[str | DataBlock] = []
        self._kept = 0
        self._left_out = 0

    @property
    def truncated(self) -> bool:
        return self._over

    def feed(self, chunk: ToolChunk) -> ToolChunk:
        """What of the chunk is shown."""
        shown = [item for block in chunk.content if (item := self._take(block)) is not None]
        return chunk if shown == chunk.content else replace(chunk, content=shown)

    async def finish(self, offload: Offload | None = None) -> ToolChunk | None:
        """The end of a result that was cut; None when it was not."""
        if not self._over:
            return None
        rest, self._rest = self._rest, []
        data = await _written(rest, offload)
        at = await keep(offload, "result", ".txt", data)
        return ToolChunk(content=[TextBlock(text=f"\n{MARKER}\n{info(self._told(at))}")])

    def _told(self, at: str | None) -> str:
        told = f"The result was too long: {self._left_out} bytes after this are left out."
        if at is None:
            return told
        part = f"The first {self._kept} of them are" if self._kept < self._left_out else "They are"
        return f"{told} {part} in {quoted(at)}"

    def _take(self, block: Item) -> Item | None:
        if isinstance(block, TextBlock):
            return self._text(block)
        size = of_block(block) * BYTES_PER_TOKEN
        if not self._over and size <= self._room:
            self._room -= size
            return block
        self._over = True
        self._put(block)
        return None

    def _text(self, block: TextBlock) -> TextBlock | None:
        fits = 0 if self._over else fitting(block.text, self._room)
        if fits:
            self._room -= _size(block.text[:fits])
        if fits == len(block.text):
            return block
        self._over = True
        self._put_text(block.text[fits:])
        return replace(block, text=block.text[:fits]) if fits else None

    def _put_text(self, text: str) -> None:
        fits = fitting(text, self._most_kept - self._kept)
        self._keep(text[:fits], _size(text[:fits]))
        if fits < len(text):
            self._lose(_size(text[fits:]))

    def _put(self, block: DataBlock) -> None:
        source = block.source
        size = len(source.data) if isinstance(source, Base64Source) else len(source.url)
        if self._kept + size <= self._most_kept:
            self._keep(block, size)
        else:
            self._lose(size)

    def _keep(self, item: str | DataBlock, size: int) -> None:
        self._rest.append(item)
        self._kept += size
        self._left_out += size

    def _lose(self, size: int) -> None:
        self._left_out += size
        self._most_kept = self._kept  # what is kept has no gaps


async def truncate(result: ToolResultBlock, limit_tokens: int, offload: Offload | None = None) -> ToolResultBlock:
    """The same for a result that came as a whole; one that is short enough is the same object."""
    content: list[Item] = [TextBlock(text=result.output)] if isinstance(result.output, str) else result.output
    truncator = Truncator(limit_tokens)
    shown = truncator.feed(ToolChunk(content=content))
    end = await truncator.finish(offload)
    return result if end is None else replace(result, output=[*shown.content, *end.content])


def fitting(text: str, room: int) -> int:
    """How many characters of the text fit into so many bytes of UTF-8."""
    room = max(room, 0)
    head = text[:room]  # a character has at least a byte: more cannot fit
    data = head.encode("utf-8", "surrogatepass")
    if len(data) <= room:
        return len(head)
    while data[room] & 0xC0 == 0x80:  # inside a character
        room -= 1
    return len(data[:room].decode("utf-8", "surrogatepass"))


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


async def _written(rest: Sequence[str | DataBlock], offload: Offload | None) -> bytes:
    """The rest as text. Media are beside it and referred to."""
    lines: list[str] = []
    for item in rest:
        if isinstance(item, str):
            lines.append(item)
        else:
            at = await keep_medium(offload, item) or "not stored"
            lines.append(f"\n[{item.source.media_type}: {at}]\n")
    return "".join(lines).encode("utf-8", "replace")
