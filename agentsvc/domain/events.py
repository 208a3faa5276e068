"""Events of a session: what its log holds and its stream sends. The stored form is the wire form.

``id`` is the place of the event in the log of its session (``"1"``, ``"2"``, …): the journal sets it, and the stream
repeats it as the SSE id.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct

from agentsvc.domain.messages import (
    DataBlock,
    ErrorInfo,
    FinishedReason,
    TextBlock,
    ToolCallBlock,
    ToolResultBlock,
    ToolResultState,
)
from agentsvc.domain.permissions import PermissionRule


class EventBase(Struct, frozen=True, kw_only=True, tag_field="type"):
    id: str = ""
    created_at: str = ""
    metadata: dict[str, Any] = {}


class _ReplyEvent(EventBase, frozen=True, kw_only=True):
    reply_id: str


class ReplyStart(_ReplyEvent, frozen=True, kw_only=True, tag="REPLY_START"):
    session_id: str
    name: str
    role: Literal["assistant"] = "assistant"


class ReplyEnd(_ReplyEvent, frozen=True, kw_only=True, tag="REPLY_END"):
    """``metadata`` carries the ``structured_output`` of a reply that was asked for one, and ``"discarded": true`` for
    one that is as if it had never been: its message is to be dropped.
    """

    session_id: str
    finished_reason: FinishedReason = "completed"
    error: ErrorInfo | None = None


class ModelCallStart(_ReplyEvent, frozen=True, kw_only=True, tag="MODEL_CALL_START"):
    model_name: str


class ModelCallEnd(_ReplyEvent, frozen=True, kw_only=True, tag="MODEL_CALL_END"):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    finished_reason: Literal["completed", "interrupted"] = "completed"


class _BlockEvent(_ReplyEvent, frozen=True, kw_only=True):
    block_id: str


class TextBlockStart(_BlockEvent, frozen=True, kw_only=True, tag="TEXT_BLOCK_START"):
    pass


class TextBlockDelta(_BlockEvent, frozen=True, kw_only=True, tag="TEXT_BLOCK_DELTA"):
    delta: str


class TextBlockEnd(_BlockEvent, frozen=True, kw_only=True, tag="TEXT_BLOCK_END"):
    pass


class ThinkingBlockStart(_BlockEvent, frozen=True, kw_only=True, tag="THINKING_BLOCK_START"):
    pass


class ThinkingBlockDelta(_BlockEvent, frozen=True, kw_only=True, tag="THINKING_BLOCK_DELTA"):
    delta: str


class ThinkingBlockEnd(_BlockEvent, frozen=True, kw_only=True, tag="THINKING_BLOCK_END"):
    """``metadata`` carries what the provider wants back with the block (``signature`` and the like)."""


class DataBlockStart(_BlockEvent, frozen=True, kw_only=True, tag="DATA_BLOCK_START"):
    media_type: str


class DataBlockDelta(_BlockEvent, frozen=True, kw_only=True, tag="DATA_BLOCK_DELTA"):
    """``data`` is base64, padded on its own: the bytes are joined, not the texts."""

    data: str
    media_type: str


class DataBlockEnd(_BlockEvent, frozen=True, kw_only=True, tag="DATA_BLOCK_END"):
    pass


class HintBlockEvent(_BlockEvent, frozen=True, kw_only=True, tag="HINT_BLOCK"):
    """What the model is told as by a user. A message of a user that the reply takes in while it runs is one: then
    ``block_id`` is the id of the message, and ``source`` is JSON with the label ``User`` and its name as sublabel.
    """

    hint: str | list[TextBlock | DataBlock]
    source: str | None = None


class _ToolEvent(_ReplyEvent, frozen=True, kw_only=True):
    tool_call_id: str


class ToolCallStart(_ToolEvent, frozen=True, kw_only=True, tag="TOOL_CALL_START"):
    tool_call_name: str


class ToolCallDelta(_ToolEvent, frozen=True, kw_only=True, tag="TOOL_CALL_DELTA"):
    delta: str


class ToolCallEnd(_ToolEvent, frozen=True, kw_only=True, tag="TOOL_CALL_END"):
    pass


class ToolResultStart(_ToolEvent, frozen=True, kw_only=True, tag="TOOL_RESULT_START"):
    tool_call_name: str


class ToolResultTextDelta(_ToolEvent, frozen=True, kw_only=True, tag="TOOL_RESULT_TEXT_DELTA"):
    delta: str


class ToolResultDataDelta(_ToolEvent, frozen=True, kw_only=True, tag="TOOL_RESULT_DATA_DELTA"):
    """Exactly one of ``data`` (base64) and ``url`` is set."""

    block_id: str
    media_type: str
    data: str | None = None
    url: str | None = None


class ToolResultEnd(_ToolEvent, frozen=True, kw_only=True, tag="TOOL_RESULT_END"):
    """``metadata`` is the tool's own, such as a diff."""

    state: ToolResultState


class ExceedMaxIters(_ReplyEvent, frozen=True, kw_only=True, tag="EXCEED_MAX_ITERS"):
    """Sent for older clients just before the ``REPLY_END`` that says the same."""

    name: str


class RequireUserConfirm(_ReplyEvent, frozen=True, kw_only=True, tag="REQUIRE_USER_CONFIRM"):
    """``metadata`` says under ``reasons`` why each call is asked about (call id → ``Reason``)."""

    tool_calls: list[ToolCallBlock]


class RequireExternalExecution(_ReplyEvent, frozen=True, kw_only=True, tag="REQUIRE_EXTERNAL_EXECUTION"):
    tool_calls: list[ToolCallBlock]


class ConfirmResult(Struct, frozen=True, kw_only=True):
    confirmed: bool
    tool_call: ToolCallBlock
    rules: list[PermissionRule] | None = None


class UserConfirmResult(_ReplyEvent, frozen=True, kw_only=True, tag="USER_CONFIRM_RESULT"):
    confirm_results: list[ConfirmResult]


class ExternalExecutionResult(_ReplyEvent, frozen=True, kw_only=True, tag="EXTERNAL_EXECUTION_RESULT"):
    execution_results: list[ToolResultBlock]


class UserInterrupt(_ReplyEvent, frozen=True, kw_only=True, tag="USER_INTERRUPT"):
    pass


class Custom(EventBase, frozen=True, kw_only=True, tag="CUSTOM"):
    """An event of the service. Unknown names must be ignored.

    ``stream_resumed {after}`` and ``stream_gap {oldest, latest, messages}`` belong to one stream and are in no log; the
    messages are the end of the transcript, in place of the events that are gone.
    ``reply_resumed {reply_id, content, usage}`` is in the log: another worker goes on with the reply or ends it; it now
    holds this. ``state_updated {tasks_context, permission_context}``: what these are now.
    ``context_compressed {reply_id, tokens, tokens_left}``: older messages are in a summary from here on.
    ``context_compression_failed {reply_id, reason, tokens}``: they are not, and nothing was lost.
    """

    name: str
    value: dict[str, Any] = {}


class Unknown(Struct, frozen=True):
    """An event of a type that a later version wrote."""

    type: str


Event = (
    ReplyStart
    | ReplyEnd
    | ModelCallStart
    | ModelCallEnd
    | TextBlockStart
    | TextBlockDelta
    | TextBlockEnd
    | ThinkingBlockStart
    | ThinkingBlockDelta
    | ThinkingBlockEnd
    | DataBlockStart
    | DataBlockDelta
    | DataBlockEnd
    | HintBlockEvent
    | ToolCallStart
    | ToolCallDelta
    | ToolCallEnd
    | ToolResultStart
    | ToolResultTextDelta
    | ToolResultDataDelta
    | ToolResultEnd
    | ExceedMaxIters
    | RequireUserConfirm
    | RequireExternalExecution
    | UserConfirmResult
    | ExternalExecutionResult
    | UserInterrupt
    | Custom
)

REPLY_RESUMED = "reply_resumed"
STATE_UPDATED = "state_updated"
COMPRESSED = "context_compressed"
COMPRESSION_FAILED = "context_compression_failed"
STREAM_RESUMED = "stream_resumed"
STREAM_GAP = "stream_gap"

encode_event = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_peek = msgspec.json.Decoder(Unknown)
_KNOWN = frozenset(kind.__struct_config__.tag for kind in Event.__args__)


def decode_event(raw: bytes) -> Event | Unknown:
    """A stored event, ``Unknown`` if its type is. A known one that is malformed raises ``ValidationError``."""
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError:
        unknown = _peek.decode(raw)
        if unknown.type in _KNOWN:
            raise
        return unknown
