"""How the fake OpenAI server answers one request: steps in order, or a directive that stands for them in a message."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote


@dataclass(frozen=True)
class Text:
    """One chunk of text, sent ``delay`` seconds after the step before it."""

    text: str
    delay: float = 0.0


@dataclass(frozen=True)
class Thinking:
    """One chunk of thought, in ``key`` (servers call it ``reasoning_content`` or ``reasoning``)."""

    text: str
    delay: float = 0.0
    key: str = "reasoning_content"


@dataclass(frozen=True)
class Call:
    """A tool call. ``arguments`` may be text that is not JSON."""

    name: str
    arguments: Mapping[str, Any] | str = field(default_factory=dict)
    id: str | None = None

    @property
    def text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


@dataclass(frozen=True)
class Calls:
    """Parallel tool calls. The arguments of each come in ``fragments`` pieces, interleaved with those of the others."""

    calls: Sequence[Call]
    fragments: int = 3


@dataclass(frozen=True)
class Chunk:
    """A chunk as it is given: for what the other steps do not say."""

    body: Any


@dataclass(frozen=True)
class Raw:
    """Bytes of the event stream as they are given, written on their own."""

    data: bytes
    delay: float = 0.0


@dataclass(frozen=True)
class Hold:
    """Nothing more until ``release()``."""


@dataclass(frozen=True)
class Hang:
    """Nothing more until the client goes. As the first step: not even the head of the answer."""


@dataclass(frozen=True)
class Cut:
    """The connection is closed in the middle of the answer. As the first step: without an answer."""


@dataclass(frozen=True)
class Fail:
    """An answer with an error instead of a stream. Only as the first step."""

    status: int
    message: str = "the fake refuses"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Finish:
    """The end. ``usage`` is (prompt, completion, cached) tokens; null leaves it out, and so does ``reason``."""

    reason: str | None = "stop"
    usage: tuple[int, int, int] | None = (10, 5, 0)
    done: bool = True


Step = Text | Thinking | Calls | Chunk | Raw | Hold | Hang | Cut | Fail | Finish
Script = Sequence[Step]
ENDINGS = (Finish, Cut, Hang, Fail)


def words(text: str, delay: float = 0.0) -> list[Step]:
    """A text as a model would stream it: word by word."""
    return [Text(word, delay) for word in text.replace(" ", " \0").split("\0") if word]


def count(n: int) -> str:
    """The text of the directive ``[[n=…]]``."""
    return "".join(f"word{number} " for number in range(n))


def directive(messages: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    """The settings in the last ``[[key=value …]]`` that a user message holds."""
    for message in reversed(messages):
        text = _text(message)
        start = text.rfind("[[")
        end = text.find("]]", start)
        if message.get("role") == "user" and start >= 0 and end >= 0 and "=" in text[start:end]:
            pairs = (part.partition("=") for part in text[start + 2 : end].split())
            return {key: value for key, _, value in pairs}
    return None


def script(settings: Mapping[str, str], *, after_tool: bool) -> Script:
    """The steps that a directive stands for; ``after_tool`` when the request brings the results of its calls."""
    if "status" in settings:
        headers = {"retry-after": settings["retry"]} if "retry" in settings else {}
        return [Fail(int(settings["status"]), headers=headers)]
    if settings.get("hang") == "head":
        return [Hang()]
    steps: list[Step] = [Thinking(f"thought{number} ") for number in range(int(settings.get("think", 0)))]
    if "tool" in settings and not after_tool:
        return [*steps, _calls(settings), Finish("tool_calls")]
    steps += _said(settings)
    return [*steps, *_ending(settings, len(steps))]


def _said(settings: Mapping[str, str]) -> list[Step]:
    delay, first = float(settings.get("d", 0)) / 1000, float(settings.get("f", 0)) / 1000
    said = words(unquote(settings["text"]) if "text" in settings else count(int(settings.get("n", 20))), delay)
    if said and first:
        said[0] = Text(said[0].text if isinstance(said[0], Text) else "", first)
    return said


def _ending(settings: Mapping[str, str], n: int) -> list[Step]:
    if "error" in settings:
        return [Chunk({"error": {"message": "the fake broke", "type": "server_error"}}), Cut()]
    if "malformed" in settings:
        return [Raw(b"data: {not json\n\n"), Finish()]
    if "cut" in settings:
        return [Cut()]
    if settings.get("hang") == "mid":
        return [Hang()]
    held: list[Step] = [Hold()] if settings.get("hold") == "1" else []
    return [*held, Finish(settings.get("finish", "stop"), usage=(int(settings.get("prompt", 10)), n, 0))]


def _calls(settings: Mapping[str, str]) -> Calls:
    arguments = unquote(settings.get("args", "{}"))
    names = settings["tool"].split(",") * int(settings.get("calls", 1))
    return Calls([Call(name, arguments) for name in names])


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(part.get("text") or "" for part in content)
    return content or ""
