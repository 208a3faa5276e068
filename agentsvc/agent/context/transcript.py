"""A conversation told as plain text, which every provider takes whatever it holds."""

from collections.abc import Iterable, Iterator, Sequence

from agentsvc.agent.arguments import shorten
from agentsvc.agent.context.notices import notice, quoted
from agentsvc.agent.context.tokens import BYTES_PER_TOKEN
from agentsvc.domain.messages import (
    Block,
    DataBlock,
    HintBlock,
    Msg,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    ToolResultBlock,
    URLSource,
)

_SHORTEST = 200


def transcript(messages: Iterable[Msg]) -> str:
    """Line by line who said and did what. What the model thought is left out."""
    return "\n".join(line for message in messages for line in _lines(message))


def retold(messages: Sequence[Msg], room: int) -> Msg:
    """The transcript as one message of the user, with its middle left out when it has more than ``room`` tokens."""
    text = transcript(messages)
    dense = len(text.encode("utf-8", "surrogatepass")) / max(len(text), 1)
    chars = max(_SHORTEST, int(room * BYTES_PER_TOKEN / dense) if text else 0)
    return notice(f"<history>\n{quoted(shorten(text, chars))}\n</history>")


def _lines(message: Msg) -> Iterator[str]:
    for block in message.content:
        match block:
            case TextBlock(text=text):
                yield f"{message.name}: {text}"
            case ThinkingBlock():
                pass
            case ToolCallBlock(name=name, input=arguments):
                yield f"{message.name} called {name}: {arguments}"
            case ToolResultBlock(name=name, output=output, state=state):
                yield f"{name} answered ({state}): {_text(output)}"
            case HintBlock(hint=hint):
                yield f"system: {_text(hint)}"
            case DataBlock():
                yield f"{message.name}: {_medium(block)}"


def _text(content: str | Sequence[Block]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(
        _medium(block) if isinstance(block, DataBlock) else getattr(block, "text", "") for block in content
    )


def _medium(block: DataBlock) -> str:
    name = f" {block.name}" if block.name else ""
    url = block.source.url if isinstance(block.source, URLSource) else ""
    at = f" at {url}" if url and not url.startswith("data:") else ""
    return f"[{block.source.media_type}{name}{at}]"
