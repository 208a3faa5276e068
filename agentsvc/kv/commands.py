"""Commands: how they are written, and which key says where they belong."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import hiredis
from redis.crc import key_slot

Arg = bytes | str | int | float
Command = Sequence[Arg]

# Its stub forgets that a tuple of narrower types will do.
pack: Callable[[tuple[Arg, ...]], bytes] = cast("Any", hiredis).pack_command

_ANYWHERE = frozenset(
    (
        *("ACL", "CLIENT", "CLUSTER", "CONFIG", "DBSIZE", "ECHO", "FLUSHALL", "INFO", "KEYS", "PING", "PUBLISH"),
        *("ROLE", "SCAN", "SCRIPT", "TIME", "WAIT"),
    )
)
_KEY_IS_SECOND = frozenset(("MEMORY", "OBJECT", "XGROUP", "XINFO"))


def slot_of(command: Command) -> int | None:
    """The slot of the first key; None for a command that any primary answers."""
    key = _first_key(command)
    if key is None:
        return None
    return key_slot(key if isinstance(key, bytes) else str(key).encode())


def _first_key(command: Command) -> Arg | None:
    name = str(command[0])
    if name == "EVALSHA":
        return command[3] if command[2] else None
    if name in _ANYWHERE:
        return None
    if name in ("XREAD", "XREADGROUP"):
        return command[list(command).index("STREAMS") + 1]
    place = 2 if name in _KEY_IS_SECOND else 1
    return command[place] if place < len(command) else None
