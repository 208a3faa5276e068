"""Where a reply stands: which of its calls are open, and which of them can go on."""

from collections.abc import Sequence

from msgspec.structs import replace

from agentsvc.domain.messages import Msg, ToolCallBlock, ToolResultBlock


def begun(message: Msg) -> set[str]:
    """The ids of calls that have a result, finished or not."""
    return {block.id for block in message.content if isinstance(block, ToolResultBlock)}


def open_calls(message: Msg) -> list[ToolCallBlock]:
    """Calls without a finished result."""
    finished = {
        block.id for block in message.content if isinstance(block, ToolResultBlock) and block.state != "running"
    }
    return [block for block in message.content if isinstance(block, ToolCallBlock) and block.id not in finished]


def ready(calls: Sequence[ToolCallBlock]) -> list[ToolCallBlock]:
    """The open calls that can go on: those that somebody allowed, and the others when nothing waits for an answer."""
    awaiting = any(call.state in ("asking", "submitted") for call in calls)
    return [call for call in calls if call.state == "allowed" or (call.state == "pending" and not awaiting)]


def in_flight(message: Msg) -> list[ToolCallBlock]:
    """Calls that were running here; what was handed to a client is not."""
    started = begun(message)
    return [call for call in open_calls(message) if call.id in started and call.state != "submitted"]


def rewound(message: Msg) -> Msg:
    """The message without what a call in flight had given: the call is closed or done again from its start."""
    blocks = [
        replace(block, output=[]) if isinstance(block, ToolResultBlock) and block.state == "running" else block
        for block in message.content
    ]
    return replace(message, content=blocks)
