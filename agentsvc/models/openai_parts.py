"""Content in the form that OpenAI takes: texts, images, sound and documents; for everything else a line of text.

Nothing is opened or fetched here: an ``http`` URL goes to the provider as it is, and a path is only mentioned.
"""

import base64
import binascii
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, cast

from agentsvc.domain.messages import Base64Source, DataBlock, TextBlock, ToolCallBlock, ToolResultBlock
from agentsvc.models.openai_names import call_id, tool_name

Part = dict[str, Any]

_SOUNDS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mp3": "mp3",
    "audio/mpeg": "mp3",
}
_READABLE = ("text/", "application/json")
# Of a text file, in characters of base64; a multiple of four.
_LONGEST_TEXT = 200_000
_LONGEST_URL = 500


def parts(blocks: Sequence[TextBlock | DataBlock], accepts: Sequence[str]) -> list[Part]:
    """The blocks in order. ``accepts`` are the media types that the model takes, such as ``image/*``."""
    return [part for block in blocks if (part := _part(block, accepts))["type"] != "text" or part["text"]]


def promoted(
    call: ToolCallBlock, result: ToolResultBlock | None, accepts: Sequence[str], missing: str
) -> tuple[str, list[Part]]:
    """The text of a tool result, and its media as parts of a message of the user, since a tool message holds none."""
    if result is None:
        return missing, []
    if isinstance(result.output, str):
        return result.output, []
    lines: list[str] = []
    shown: list[Part] = []
    for part in parts(result.output, accepts):
        if part["type"] == "text":
            lines.append(part["text"])
            continue
        label = f"{tool_name(call.name)} file {len(shown) // 2 + 1}"
        lines.append(f"[{label}: shown below]")
        shown += [{"type": "text", "text": f"[{label}, a result of call {call_id(call.id)}]"}, part]
    return "\n".join(lines), shown


def well_formed(value: Any) -> Any:
    """The same without lone surrogates, which no UTF-8 can hold."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {well_formed(key): well_formed(each) for key, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [well_formed(each) for each in cast("list[Any]", value)]
    return value


def _part(block: TextBlock | DataBlock, accepts: Sequence[str]) -> Part:
    if isinstance(block, TextBlock):
        return _text(block.text)
    kind = block.source.media_type.lower().partition(";")[0].strip()
    if isinstance(block.source, Base64Source):
        return _embedded(block, kind, block.source.data, accepts)
    return _linked(block, kind, block.source.url, accepts)


def _embedded(block: DataBlock, kind: str, data: str, accepts: Sequence[str]) -> Part:
    if kind.startswith(_READABLE):
        return _text(f"[{block.name or kind}]\n{_decoded(data)}")
    if not _accepted(kind, accepts):
        return _reminder(block, kind, f"{len(data) * 3 // 4} bytes, which this model cannot be shown")
    if kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}
    if kind == "application/pdf":
        file = {"filename": block.name or "document.pdf", "file_data": f"data:{kind};base64,{data}"}
        return {"type": "file", "file": file}
    if kind in _SOUNDS:
        return {"type": "input_audio", "input_audio": {"data": data, "format": _SOUNDS[kind]}}
    return _reminder(block, kind, f"{len(data) * 3 // 4} bytes, which this model cannot be shown")


def _linked(block: DataBlock, kind: str, url: str, accepts: Sequence[str]) -> Part:
    scheme = url.partition(":")[0].lower()
    if scheme == "data" and ";base64," in url:
        return _embedded(block, kind, url.partition(";base64,")[2], accepts)
    if scheme in ("http", "https") and kind.startswith("image/") and _accepted(kind, accepts):
        return {"type": "image_url", "image_url": {"url": url}}
    return _reminder(block, kind, f"at {url[:_LONGEST_URL]}, not shown here")


def _reminder(block: DataBlock, kind: str, what: str) -> Part:
    name = f" {block.name}" if block.name else ""
    return _text(f"[{kind}{name}: {what}]")


def _text(text: str) -> Part:
    return {"type": "text", "text": text}


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data[:_LONGEST_TEXT]).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return "(it cannot be read)"


def _accepted(kind: str, accepts: Sequence[str]) -> bool:
    return any(fnmatchcase(kind, pattern) for pattern in accepts)
