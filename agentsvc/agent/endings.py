"""How a reply that fails is closed: what clients are told of the cause, and the ends of what is open."""

from collections.abc import Iterator

from agentsvc.domain import events as ev
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import (
    DataBlock,
    ErrorInfo,
    ErrorType,
    HintBlock,
    Msg,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    ToolResultBlock,
)

_TEXTS: dict[ErrorType, str] = {
    "authentication": "The model provider refused the credential.",
    "permission": "The credential does not allow the use of this model.",
    "rate_limit": "The model provider is limiting requests; try again later.",
    "invalid_request": "The model provider rejected the request.",
    "upstream": "The model provider failed.",
    "connection": "The model provider could not be reached.",
    "internal": "The service failed while it was replying.",
    "setup": "The agent could not be set up.",
    "time_limit": "The run took longer than it may.",
    "unknown": "The reply failed.",
}


def classify(error: BaseException) -> ErrorInfo:
    """The cause of a failure in words of ours: those of an exception may hold what a client should not see."""
    cause = error if isinstance(error, ModelError) else ModelError("internal", str(error))
    return ErrorInfo(type=cause.kind, message=cause.told or _TEXTS[cause.kind])


def unfinished(message: Msg, at: str) -> Iterator[ev.Event]:
    """The ends of blocks that have begun and not ended; calls that lack a result are not meant."""
    for block in message.content:
        if block.finished_at is not None:
            continue
        match block:
            case TextBlock():
                yield ev.TextBlockEnd(reply_id=message.id, block_id=block.id, created_at=at)
            case ThinkingBlock():
                yield ev.ThinkingBlockEnd(reply_id=message.id, block_id=block.id, created_at=at)
            case DataBlock():
                yield ev.DataBlockEnd(reply_id=message.id, block_id=block.id, created_at=at)
            case ToolCallBlock():
                yield ev.ToolCallEnd(reply_id=message.id, tool_call_id=block.id, created_at=at)
            case HintBlock() | ToolResultBlock():
                pass
