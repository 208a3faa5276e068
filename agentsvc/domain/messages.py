"""Messages and what they are made of. One struct is the stored form and the wire form."""

from typing import Any, Literal, Self

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from agentsvc.domain.ids import new_id
from agentsvc.domain.permissions import PermissionRule
from agentsvc.domain.times import now

Role = Literal["user", "assistant", "system"]
FinishedReason = Literal["completed", "interrupted", "exceed_max_iters", "error"]
ErrorType = Literal[
    "authentication",
    "permission",
    "rate_limit",
    "invalid_request",
    "upstream",
    "connection",
    "internal",
    "setup",
    "time_limit",
    "unknown",
]
ToolCallState = Literal["pending", "asking", "allowed", "submitted", "finished"]
ToolResultState = Literal["running", "success", "error", "interrupted", "denied"]


class Base64Source(Struct, frozen=True, kw_only=True, tag_field="type", tag="base64"):
    data: str
    media_type: str


class URLSource(Struct, frozen=True, kw_only=True, tag_field="type", tag="url"):
    url: str
    media_type: str


class _Block(Struct, frozen=True, kw_only=True, tag_field="type"):
    id: str = field(default_factory=new_id)
    created_at: str = field(default_factory=now)
    finished_at: str | None = None


class TextBlock(_Block, frozen=True, kw_only=True, tag="text"):
    text: str


class ThinkingBlock(_Block, frozen=True, kw_only=True, tag="thinking"):
    """What the model thought. The unset fields are what a provider wants back unchanged with the next request; what has
    no field of its own is in ``extras``.
    """

    thinking: str
    signature: str | UnsetType = UNSET
    redacted_thinking_data: str | UnsetType = UNSET
    reasoning_item_id: str | UnsetType = UNSET
    extras: dict[str, Any] | UnsetType = UNSET


class DataBlock(_Block, frozen=True, kw_only=True, tag="data"):
    """Images, audio, video, documents: the media type says which."""

    source: Base64Source | URLSource
    name: str | None = None


class HintBlock(_Block, frozen=True, kw_only=True, tag="hint"):
    """An instruction that the model sees as a user message, although it stands inside the reply."""

    hint: str | list[TextBlock | DataBlock]
    source: str | None = None


class ToolCallBlock(_Block, frozen=True, kw_only=True, tag="tool_call"):
    """``input`` is the JSON text as the model wrote it; it may be cut or malformed."""

    name: str
    input: str = ""
    state: ToolCallState = "pending"
    suggested_rules: list[PermissionRule] = []


class ToolResultBlock(_Block, frozen=True, kw_only=True, tag="tool_result"):
    """``id`` is the id of its call."""

    name: str
    output: str | list[TextBlock | DataBlock]
    state: ToolResultState = "running"
    metadata: dict[str, Any] = {}


Block = TextBlock | ThinkingBlock | DataBlock | HintBlock | ToolCallBlock | ToolResultBlock


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens, summed over every model call of a reply."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_input_tokens: int = 0
    cache_creation_input_tokens: int = 0

    def plus(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_input_tokens=self.cache_input_tokens + other.cache_input_tokens,
            cache_creation_input_tokens=self.cache_creation_input_tokens + other.cache_creation_input_tokens,
        )


class ErrorInfo(Struct, frozen=True, kw_only=True):
    type: ErrorType = "unknown"
    message: str = ""


class Msg(Struct, frozen=True, kw_only=True):
    """One entry of a conversation. The ``id`` of an assistant message is the ``reply_id`` of its events.

    ``finished_reason`` is null while the reply runs and while it is parked on a person.
    """

    name: str
    role: Role
    content: list[Block]
    id: str = field(default_factory=new_id)
    metadata: dict[str, Any] = {}
    created_at: str = field(default_factory=now)
    finished_at: str | None = None
    finished_reason: FinishedReason | None = None
    usage: Usage | None = None
    structured_output: dict[str, Any] | None = None
    error: ErrorInfo | None = None

    def __post_init__(self) -> None:
        allowed = _ALLOWED.get(self.role)
        if allowed is None:
            return
        for position, block in enumerate(self.content):
            if not isinstance(block, allowed):
                kind = block.__struct_config__.tag
                raise ValueError(f"content[{position}]: a {self.role} message cannot hold a {kind} block")

    @classmethod
    def user(cls, text: str, name: str = "user") -> Self:
        return cls(name=name, role="user", content=[TextBlock(text=text)])

    @classmethod
    def system(cls, text: str) -> Self:
        return cls(name="system", role="system", content=[TextBlock(text=text)])

    def text(self, separator: str = "\n") -> str | None:
        """All text blocks in order; none when there is no text block."""
        texts = [block.text for block in self.content if isinstance(block, TextBlock)]
        return separator.join(texts) if texts else None


_ALLOWED: dict[str, tuple[type, ...]] = {"user": (TextBlock, DataBlock), "system": (TextBlock,)}

encode_message = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Msg)
_decode_loosely = msgspec.json.Decoder(dict[str, Any]).decode
_KNOWN = frozenset({"text", "thinking", "data", "hint", "tool_call", "tool_result"})


class _Kind(Struct):
    type: str


class _Kinds(Struct):
    content: list[_Kind]


_decode_blocks = msgspec.json.Decoder(_Kinds).decode


def decode_message(raw: bytes) -> Msg:
    """A stored message. Blocks of a kind that a later version wrote are left out; unknown keys are ignored."""
    try:
        return _decoder.decode(raw)
    except msgspec.ValidationError:
        message, blocks = _decode_loosely(raw), _decode_blocks(raw).content
        known = [block for block, kind in zip(message["content"], blocks, strict=True) if kind.type in _KNOWN]
        if len(known) == len(blocks):
            raise
        return msgspec.convert(message | {"content": known}, Msg)
