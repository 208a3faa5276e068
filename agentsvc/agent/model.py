"""Chat models as the agent sees them: a request goes in, deltas come out."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Literal

from msgspec import Struct

from agentsvc.domain.messages import Msg, Usage

StopReason = Literal["stop", "tool_calls", "length", "refusal", "content_filter", "unknown"]


class TextDelta(Struct, frozen=True, gc=False):
    text: str


class ThinkingDelta(Struct, frozen=True):
    """``extras`` are what the provider wants back with the block, such as ``signature``."""

    text: str
    extras: dict[str, str] = {}


class ToolCallDelta(Struct, frozen=True, gc=False):
    """A piece of the call at ``index``. The first piece carries ``name``; ``arguments`` is a fragment of JSON text.

    ``id`` is the provider's, who may leave it out or repeat it: a call is told apart by its ``index``.
    """

    index: int
    arguments: str = ""
    id: str | None = None
    name: str | None = None


class DataDelta(Struct, frozen=True, gc=False):
    """A piece of media: base64, padded on its own."""

    data: str
    media_type: str


class Finish(Struct, frozen=True):
    """The last delta of an answer: why the model stopped and what it cost."""

    reason: StopReason
    usage: Usage = Usage()


ModelDelta = TextDelta | ThinkingDelta | ToolCallDelta | DataDelta | Finish


class ToolSchema(Struct, frozen=True):
    """A tool as a model is told of it; ``parameters`` is a JSON Schema of type object."""

    name: str
    description: str
    parameters: dict[str, Any]


class ToolChoice(Struct, frozen=True):
    """``mode`` may also be the name of the one tool to call."""

    mode: str = "auto"


class ModelRequest(Struct, frozen=True):
    """``messages`` opens with at most one system message.

    ``cache_breakpoints`` are indexes of messages after which a provider that wants to be told may cache.
    """

    messages: Sequence[Msg]
    tools: Sequence[ToolSchema] = ()
    tool_choice: ToolChoice = ToolChoice()
    cache_breakpoints: tuple[int, ...] = ()


class ChatModelBase(ABC):
    """One model of one provider, ready to be called.

    ``context_size`` is in tokens. ``input_types`` are the media types that the model can be shown, such as ``image/*``.
    """

    name: str
    context_size: int
    input_types: Sequence[str] = ("*/*",)

    @abstractmethod
    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta]:
        """The answer, piece by piece, ended by one ``Finish``.

        An async generator: closing it ends the request. Raises ``ModelError``. Attempts are repeated only before the
        first byte.
        """
