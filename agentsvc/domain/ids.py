"""Ids: 32 hex characters, ordered by the time they were made unless they are derived."""

import os
import time
from collections.abc import Callable
from hashlib import blake2b
from itertools import count
from typing import NewType

import msgspec

OwnerId = NewType("OwnerId", str)
AgentId = NewType("AgentId", str)
CredentialId = NewType("CredentialId", str)
SessionId = NewType("SessionId", str)
RunId = NewType("RunId", str)

NewId = Callable[[], str]
"""Gives the next id."""


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits, as 32 hex digits."""
    random = int.from_bytes(os.urandom(10), "big")
    high = (time.time_ns() // 1_000_000 << 16) | 0x7000 | (random >> 68)
    low = 0x8000000000000000 | (random & 0x3FFFFFFFFFFFFFFF)
    return f"{high:016x}{low:016x}"


def derived(*origin: str) -> NewId:
    """The same ids in the same order whenever the origin is the same, and no other origin's."""
    places = count()

    def next_id() -> str:
        return blake2b(msgspec.json.encode((*origin, next(places))), digest_size=16, person=b"agentsvc-id").hexdigest()

    return next_id
