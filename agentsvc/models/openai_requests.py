"""The body of an OpenAI chat completions request. The same input gives the same bytes, which providers' caches need.

https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from agentsvc.agent.model import ModelRequest, ToolChoice, ToolSchema
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import (
    Block,
    DataBlock,
    HintBlock,
    Msg,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    ToolResultBlock,
)
from agentsvc.models.openai_names import arguments_text, call_id, participant, tool_name
from agentsvc.models.openai_parts import Part, parts, promoted, well_formed

Wire = dict[str, Any]

_encode = msgspec.json.Encoder().encode
_UNANSWERED = "No result of this call was recorded."


def encode(request: ModelRequest, model: str, options: Mapping[str, Any], accepts: Sequence[str]) -> bytes:
    """The body. ``options`` are further fields of it; ``accepts`` are the media types that the model takes.

    What the model or the wire cannot take becomes a line of text: no history is refused. Raises ``ModelError`` only
    for a tool choice that names no tool of the request.
    """
    body: Wire = {
        "model": model,
        "messages": list(_messages(request.messages, accepts)),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        body |= _choice(request.tool_choice, request.tools)
    body |= {name: value for name, value in options.items() if request.tools or name != "parallel_tool_calls"}
    try:
        return _encode(body)
    except UnicodeEncodeError:
        return _encode(well_formed(body))


def _tool(tool: ToolSchema) -> Wire:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice, tools: Sequence[ToolSchema]) -> Wire:
    if choice.mode == "auto":
        return {}
    if choice.mode in ("none", "required"):
        return {"tool_choice": choice.mode}
    if all(tool.name != choice.mode for tool in tools):
        raise ModelError("invalid_request", f"the tool to call, {choice.mode}, is not among the tools of the request")
    return {"tool_choice": {"type": "function", "function": {"name": choice.mode}}}


def _messages(messages: Sequence[Msg], accepts: Sequence[str]) -> Iterator[Wire]:
    # Strict servers know no name of an assistant, so it is said only where it tells speakers apart.
    several = len({message.name for message in messages if message.role == "assistant"}) > 1
    answer: _Answer | None = None
    for place, message in enumerate(messages):
        if answer is None and (text := _only_text(message, messages[place + 1 : place + 2])):
            yield {"role": "assistant", **(_named(message.name, "assistant") if several else {}), "content": text}
            continue
        if message.role != "assistant":
            if answer is not None:
                yield from answer.close()
                answer = None
            yield from _said(message, accepts)
            continue
        # A long reply may lie in several messages, with a call in one and its result in the next.
        if answer is not None and answer.name != message.name:
            yield from answer.close()
            answer = None
        answer = answer or _Answer(message.name, accepts, named=several)
        for block in message.content:
            yield from answer.add(block)
    if answer is not None:
        yield from answer.close()


def _only_text(message: Msg, following: Sequence[Msg]) -> str:
    """The words of an answer that is nothing else, and ends with its message: nearly every one."""
    if message.role != "assistant" or len(message.content) != 1 or (following and following[0].role == "assistant"):
        return ""
    block = message.content[0]
    return block.text if isinstance(block, TextBlock) else ""


def _said(message: Msg, accepts: Sequence[str]) -> Iterator[Wire]:
    """A message of the user or the system."""
    match message.content:
        case [TextBlock(text=text)] if text:  # nearly always
            yield {"role": message.role, **_named(message.name, message.role), "content": text}
            return
        case _:
            pass
    content = parts([block for block in message.content if isinstance(block, TextBlock | DataBlock)], accepts)
    if content:
        yield {"role": message.role, **_named(message.name, message.role), "content": _folded(content)}


def _named(name: str, role: str) -> Wire:
    wire_name = participant(name)
    return {"name": wire_name} if wire_name and wire_name != role else {}


def _folded(content: list[Part]) -> str | list[Part]:
    """Plain text where it is only text: not every compatible server takes lists."""
    if all(part["type"] == "text" for part in content):
        return "\n".join(part["text"] for part in content)
    return content


class _Answer:
    """Turns the blocks of an assistant into wire messages.

    Text and calls gather into one message; the results follow it, one beside the other; and only behind them comes what
    must be a message of the user: media out of the results, and hints.
    """

    def __init__(self, name: str, accepts: Sequence[str], *, named: bool) -> None:
        self.name = name
        self._name = _named(name, "assistant") if named else {}
        self._accepts = accepts
        self._texts: list[str] = []
        self._calls: list[ToolCallBlock] = []
        self._results: dict[str, ToolResultBlock] = {}
        self._hints: list[HintBlock] = []

    def add(self, block: Block) -> Iterator[Wire]:
        """Take the next block, and give what is complete before it."""
        match block:
            case TextBlock(text=text):
                yield from self._text(text)
            case ToolCallBlock():
                if self._complete() or any(call.id == block.id for call in self._calls):
                    yield from self.close()
                self._calls.append(block)
            case ToolResultBlock():
                yield from self._result(block)
            case HintBlock():
                self._hints.append(block)
                if not self._calls:
                    yield from self.close()
            case DataBlock(source=source):
                yield from self._text(f"[{source.media_type}]")
            case ThinkingBlock():
                pass

    def close(self) -> Iterator[Wire]:
        """Everything that was taken and not given yet."""
        texts, calls, results, hints = self._texts, self._calls, self._results, self._hints
        self._texts, self._calls, self._results, self._hints = [], [], {}, []
        text = "\n".join(filter(None, texts))
        if text or calls:
            yield {"role": "assistant", **self._name, "content": text or None, **_called(calls)}
        media: list[Part] = []
        for call in calls:
            content, shown = promoted(call, results.get(call.id), self._accepts, _UNANSWERED)
            media += shown
            yield {"role": "tool", "tool_call_id": call_id(call.id), "name": tool_name(call.name), "content": content}
        if media:
            yield {"role": "user", "content": media}
        for hint in hints:
            blocks = [TextBlock(text=hint.hint)] if isinstance(hint.hint, str) else hint.hint
            if content_parts := parts(blocks, self._accepts):
                yield {"role": "user", "content": _folded(content_parts)}

    def _text(self, text: str) -> Iterator[Wire]:
        # Some models go on talking after a call: until it is answered that is still the same message.
        if self._complete():
            yield from self.close()
        self._texts.append(text)

    def _result(self, result: ToolResultBlock) -> Iterator[Wire]:
        if any(call.id == result.id for call in self._calls):
            self._results.setdefault(result.id, result)
            return
        # Its call has been lost: what it says is kept, as nothing that the wire would want a call for.
        call = ToolCallBlock(id=result.id, name=result.name, created_at="")
        content, _ = promoted(call, result, (), _UNANSWERED)
        yield from self.add(
            HintBlock(id=result.id, created_at="", hint=f"Result of {tool_name(result.name)}: {content}")
        )

    def _complete(self) -> bool:
        return bool(self._calls) and all(call.id in self._results for call in self._calls)


def _called(calls: Sequence[ToolCallBlock]) -> Wire:
    if not calls:
        return {}
    return {
        "tool_calls": [
            {
                "id": call_id(call.id),
                "type": "function",
                "function": {"name": tool_name(call.name), "arguments": arguments_text(call.input)},
            }
            for call in calls
        ]
    }
