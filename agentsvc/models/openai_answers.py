"""The stream of an OpenAI chat completion, read chunk by chunk.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct

from agentsvc.agent.model import (
    DataDelta,
    Finish,
    ModelDelta,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
)
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import ErrorType, Usage
from agentsvc.models.openai_parts import well_formed
from agentsvc.models.transport import excerpt, kind_of

SOUND = "audio/wav"

_REASONS: dict[str, StopReason] = {
    "stop": "stop",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "length": "length",
    "content_filter": "content_filter",
    "refusal": "refusal",
}
# Words in the type or code of an error, and who has to act.
_WORDS: tuple[tuple[str, ErrorType], ...] = (
    ("rate_limit", "rate_limit"),
    ("quota", "rate_limit"),
    ("authentication", "authentication"),
    ("api_key", "authentication"),
    ("permission", "permission"),
    ("invalid_request", "invalid_request"),
    ("context_length", "invalid_request"),
)


class _Function(Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _Call(Struct, gc=False):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None


class _Sound(Struct, gc=False):
    data: str | None = None
    transcript: str | None = None


class _Delta(Struct, gc=False):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None
    audio: _Sound | None = None


class _Choice(Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _PromptDetails(Struct, gc=False):
    cached_tokens: int | None = None


class _Usage(Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None


class _Chunk(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    object: str | None = None


class _OpenCall(Struct):
    """A call in the making: ``at`` and ``id`` are the provider's, which may repeat both, and ``index`` is ours.

    Until its name has come, there is no ``index``, and ``held`` keeps its arguments.
    """

    at: int | None
    id: str | None
    index: int | None = None
    held: str = ""

    def goes_on_with(self, call: _Call) -> bool:
        """Whether the piece belongs to this call. Servers leave the index out, or the id, or count wrongly."""
        if call.index is not None and call.index != self.at:
            return False
        names = call.function is not None and bool(call.function.name)
        if call.id and self.id:
            return call.id == self.id or not names
        return call.index is not None or not names


_decode = msgspec.json.Decoder(_Chunk).decode
# 16-bit mono at 24 kHz of unknown length: what the provider's bare samples need in front of them to be a sound.
_WAV = base64.b64encode(
    b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\xc0\x5d\x00\x00\x80\xbb\x00\x00\x02\x00\x10\x00"
    b"data\xff\xff\xff\xff"
).decode()


class Answer:
    """Reads the data of events and gives deltas. ``finish`` says how it ended. ``secrets`` are kept out of errors."""

    __slots__ = ("_calls", "_reason", "_refused", "_secrets", "_sounded", "_usage", "done")

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self.done = False
        self._secrets = secrets
        self._reason: str | None = None
        self._refused = False
        self._sounded = False
        self._usage = Usage()
        self._calls: list[_OpenCall] = []

    @property
    def is_complete(self) -> bool:
        """Whether the model has said why it stopped: what comes after that is only its bill."""
        return self.done or self._reason is not None

    def feed(self, events: Sequence[bytes]) -> Iterator[ModelDelta]:
        """What these events hold. Raises ``ModelError`` after what came before the fault."""
        for data in events:
            try:
                chunk = _decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                if self._ends(data):
                    continue
                chunk = self._repaired(data)
            if chunk.choices:
                choice = chunk.choices[0]
                if choice.delta is not None:
                    yield from self._taken(choice.delta)
                if choice.finish_reason:
                    self._reason = choice.finish_reason
            if chunk.usage is not None:
                self._usage = _usage(chunk.usage)
            if chunk.error is not None or chunk.object == "error":
                raise self._failed(data)

    def finish(self) -> Finish:
        """The last delta. Raises ``ModelError`` when the answer had not come to its end."""
        if not self.is_complete:
            raise ModelError("connection", "the stream ended before the answer did")
        reason = _REASONS.get(self._reason or "", "unknown")
        if self._refused:
            reason = "refusal"
        elif self._calls and reason in ("stop", "unknown"):
            reason = "tool_calls"
        return Finish(reason, self._usage)

    def _taken(self, delta: _Delta) -> Iterator[ModelDelta]:
        if thought := delta.reasoning_content or delta.reasoning:
            yield ThinkingDelta(thought)
        if delta.content:
            yield TextDelta(delta.content)
        if delta.refusal:
            self._refused = True
            yield TextDelta(delta.refusal)
        for call in delta.tool_calls or ():
            yield from self._called(call)
        if delta.audio is not None:
            yield from self._heard(delta.audio)

    def _called(self, call: _Call) -> Iterator[ToolCallDelta]:
        opened = next((each for each in reversed(self._calls) if each.goes_on_with(call)), None)
        if opened is None:
            opened = _OpenCall(call.index, call.id)
            self._calls.append(opened)
        function = call.function or _Function()
        arguments = function.arguments or ""
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        if opened.index is not None:
            yield ToolCallDelta(opened.index, arguments)
        elif function.name:
            opened.index = sum(each.index is not None for each in self._calls)
            yield ToolCallDelta(opened.index, opened.held + arguments, opened.id, function.name)
        else:
            opened.held += arguments

    def _heard(self, sound: _Sound) -> Iterator[ModelDelta]:
        if sound.transcript:
            yield TextDelta(sound.transcript)
        if sound.data:
            if not self._sounded:
                self._sounded = True
                yield DataDelta(_WAV, SOUND)
            yield DataDelta(sound.data, SOUND)

    def _ends(self, data: bytes) -> bool:
        stripped = data.strip()
        self.done = self.done or stripped == b"[DONE]"
        return self.done or not stripped

    def _repaired(self, data: bytes) -> _Chunk:
        """A chunk whose text holds what is no Unicode, such as one half of a surrogate pair."""
        try:
            chunk = json.loads(data.decode("utf-8", "replace"))
            return msgspec.convert(well_formed(chunk), _Chunk)
        except (ValueError, RecursionError):
            raise ModelError("upstream", f"malformed chunk: {excerpt(data, self._secrets)}") from None

    def _failed(self, data: bytes) -> ModelError:
        said: dict[str, Any] = json.loads(data.decode("utf-8", "replace"))
        error = said.get("error") or said
        kind = _kind(cast("dict[str, Any]", error)) if isinstance(error, dict) else "upstream"
        return ModelError(kind, f"error in the stream: {excerpt(data, self._secrets)}")


def _kind(error: dict[str, Any]) -> ErrorType:
    code = str(error.get("code"))
    if code.isdigit() and 400 <= int(code) < 600:
        return kind_of(int(code))
    words = f"{error.get('type')} {code}"
    for word, kind in _WORDS:
        if word in words:
            return kind
    return "upstream"


def _usage(usage: _Usage) -> Usage:
    details = usage.prompt_tokens_details
    return Usage(
        input_tokens=usage.prompt_tokens or 0,
        output_tokens=usage.completion_tokens or 0,
        cache_input_tokens=(details.cached_tokens or 0) if details is not None else 0,
    )
