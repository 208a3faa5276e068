"""Every shape that a key may have, its type and its life: what ``bus/keys.py`` and ``storage/keys.py`` say, as data."""

import re
from typing import Literal, NamedTuple
from urllib.parse import quote, unquote

Type = Literal["hash", "list", "set", "stream", "string", "zset"]

Life = Literal["owner", "session", "shared", "expires"]
"""What ends a key: its owner deletes it, its session goes, what is in it is done, or its time is up."""

KINDS = {"agent": "", "approval": "session_id", "credential": "", "session": "agent_id"}
"""The kinds of records, each with the field that names the record which it lies within."""

_PREFIXES = (b"{o:", b"{s:", b"{q:", b"{w:")

# What stands in the place of a name.
_ENCODED = r"[A-Za-z0-9_.~%-]+"
_PLACES = {
    "owner": _ENCODED,
    "sid": _ENCODED,
    "id": _ENCODED,
    "name": r"[^{}:]+",
    "worker": r"[^{}]+",
    "kind": "|".join(KINDS),
    "token": "[0-9a-f]{32}",
    "digest": "[0-9a-f]{32}",
    "n": "0|[1-9][0-9]{0,3}",
}
# Those that clients may choose are encoded: how, as far as they are not Unicode.
_CHOSEN = {"owner": "surrogatepass", "sid": "strict", "id": "surrogatepass"}


class Shape(NamedTuple):
    """``name`` is written as in the tables, ``<…>`` for what differs."""

    name: str
    type: Type
    life: Life


# The first that fits counts.
SHAPES = (
    Shape("{s:<sid>}:run", "hash", "session"),
    Shape("{s:<sid>}:log", "stream", "session"),
    Shape("{s:<sid>}:replies", "list", "session"),
    Shape("{s:<sid>}:inbox", "stream", "session"),
    Shape("{s:<sid>}:state", "string", "session"),
    Shape("{s:<sid>}:context", "list", "session"),
    Shape("{s:<sid>}:messages", "hash", "session"),
    Shape("{s:<sid>}:order", "zset", "session"),
    Shape("{s:<sid>}:accepted", "hash", "session"),
    Shape("{s:<sid>}:runs", "zset", "session"),
    Shape("{s:<sid>}:run:<name>", "hash", "session"),
    Shape("{q:<n>}:runs", "stream", "shared"),
    Shape("{q:<n>}:ready:<owner>", "list", "shared"),
    Shape("{q:<n>}:active:<owner>", "set", "shared"),
    Shape("{q:<n>}:held:<owner>", "list", "shared"),
    Shape("{q:<n>}:held", "string", "shared"),
    Shape("{q:<n>}:accepting", "zset", "shared"),
    Shape("{q:<n>}:removing", "zset", "shared"),
    Shape("{q:<n>}:expiring", "zset", "shared"),
    Shape("{q:<n>}:sweeping", "string", "expires"),
    Shape("{w:<worker>}:presence", "hash", "expires"),
    Shape("{w:<worker>}:probe", "string", "expires"),
    Shape("{o:<owner>}:pending-approval", "zset", "owner"),
    Shape("{o:<owner>}:pending-approval:of:<id>", "zset", "owner"),
    Shape("{o:<owner>}:answered-approval", "zset", "owner"),
    Shape("{o:<owner>}:wrote:<token>", "string", "expires"),
    Shape("{o:<owner>}:idempotency:<digest>", "hash", "expires"),
    Shape("{o:<owner>}:<kind>", "zset", "owner"),
    Shape("{o:<owner>}:<kind>:of:<id>", "zset", "owner"),
    Shape("{o:<owner>}:<kind>:<id>", "string", "owner"),
)


class Named(NamedTuple):
    """A key of a known shape, and what stands in its places, decoded."""

    key: bytes
    shape: Shape
    places: dict[str, str]


def is_ours(key: bytes) -> bool:
    """Whether a key is one that only this service would make, whatever its shape."""
    return key.startswith(_PREFIXES)


def named(key: bytes) -> Named | None:
    """What a key is; None when it has no shape that is known."""
    for pattern, shape in _PATTERNS:
        match = pattern.fullmatch(key)
        if match is not None:
            places = {place: text.decode(errors="backslashreplace") for place, text in match.groupdict().items()}
            return _decoded(key, shape, places)
    return None


def _decoded(key: bytes, shape: Shape, places: dict[str, str]) -> Named | None:
    """None when a name is not encoded as this service does it: no command of the service would find that key."""
    for place, errors in _CHOSEN.items():
        if place in places:
            plain = _plain(places[place], errors)
            if plain is None:
                return None
            places[place] = plain
    return Named(key, shape, places)


def _plain(encoded: str, errors: str) -> str | None:
    """The name that is encoded like this; None when none is."""
    try:
        name = unquote(encoded, errors=errors)
    except UnicodeDecodeError:
        return None
    return name if quote(name, safe="", errors=errors) == encoded else None


def _pattern(name: str) -> re.Pattern[bytes]:
    parts = re.split(r"<(\w+)>", name)
    text = "".join(
        re.escape(part) if place % 2 == 0 else f"(?P<{part}>{_PLACES[part]})" for place, part in enumerate(parts)
    )
    return re.compile(text.encode(), re.DOTALL)


_PATTERNS = tuple((_pattern(shape.name), shape) for shape in SHAPES)
