"""Names, ids and arguments out of a history, which any provider may have written, in the form that OpenAI takes."""

import hashlib
import re
from functools import lru_cache

import msgspec

_OTHER = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_NAME = 64
_LONGEST_ID = 40
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


@lru_cache(maxsize=256)
def participant(name: str) -> str:
    """Who speaks. Empty when nothing of the name can be written."""
    return _plain(name)


def tool_name(name: str) -> str:
    return _plain(name) or "unknown"


def call_id(original: str) -> str:
    """The id itself, or one that stands for it when it is longer than the wire allows."""
    if 0 < len(original) <= _LONGEST_ID:
        return original
    return "call_" + hashlib.sha256(original.encode("utf-8", "replace")).hexdigest()[:32]


def arguments_text(text: str) -> str:
    """The arguments as the model wrote them, when they are a JSON object, else an object that quotes them.

    Servers that render history with a template parse them, and answer with an error when they cannot.
    """
    if not text.strip():
        return "{}"
    try:
        _object.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return msgspec.json.encode({"malformed_arguments": text.encode("utf-8", "replace").decode()}).decode()
    return text


def _plain(name: str) -> str:
    return _OTHER.sub("_", name).strip("_")[:_LONGEST_NAME]
