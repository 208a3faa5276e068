"""How many tokens a conversation has: what a provider counted last, and an estimate of what came after that."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import assert_never

from agentsvc.agent.model import ToolSchema
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
from agentsvc.domain.states import TokenCount

PER_MEDIUM = 2000
BYTES_PER_TOKEN = 4


def of_text(text: str) -> int:
    """Rounded up."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    return -(-size // BYTES_PER_TOKEN)


def of_block(block: Block) -> int:
    """The sum over blocks is the estimate of a conversation: parts can be counted apart."""
    match block:
        case TextBlock(text=text):
            return of_text(text)
        case ThinkingBlock(thinking=thinking, redacted_thinking_data=redacted):
            return of_text(thinking) + (of_text(redacted) if isinstance(redacted, str) else 0)
        case DataBlock():
            return _of_medium(block)
        case HintBlock(hint=content) | ToolResultBlock(output=content):
            return of_text(content) if isinstance(content, str) else of_blocks(content)
        case ToolCallBlock(name=name, input=arguments):
            return of_text(name) + of_text(arguments)
        case _:
            assert_never(block)


def of_blocks(blocks: Iterable[Block]) -> int:
    return sum(map(of_block, blocks))


def of_schemas(schemas: Iterable[ToolSchema]) -> int:
    return sum(of_text(f"{each.name}{each.description}{each.parameters}") for each in schemas)


def count(context: Sequence[Msg], baseline: TokenCount | None, fixed: int, summarised: int = 0) -> int:
    """The tokens of a request with this context, in time proportional to what came after the baseline.

    ``fixed`` is the estimate of system prompt, summary and tools, which a baseline includes. The first ``summarised``
    blocks of the last message are not sent. A baseline whose place is gone is no baseline: then everything is counted.
    """
    tokens = 0
    hidden = summarised
    for message in reversed(context):
        if baseline is not None and message.id == baseline.message_id:
            if hidden <= baseline.blocks <= len(message.content):
                return baseline.tokens + tokens + of_blocks(islice(message.content, baseline.blocks, None))
            baseline = None
        tokens += of_blocks(islice(message.content, hidden, None))
        hidden = 0
    return fixed + tokens


def counted(context: Sequence[Msg], tokens: int) -> TokenCount | None:
    """The baseline from here on: ``tokens`` are those of the request and its answer, which ends the context."""
    if not context:
        return None
    last = context[-1]
    return TokenCount(message_id=last.id, blocks=len(last.content), tokens=tokens)


def _of_medium(block: DataBlock) -> int:
    # Text files are sent as text.
    if isinstance(block.source, Base64Source) and block.source.media_type.startswith("text/"):
        return max(PER_MEDIUM, len(block.source.data) * 3 // 4 // BYTES_PER_TOKEN)
    return PER_MEDIUM
