"""Ids: 32 hex characters, ordered by the time they were made."""

import os
import time
from typing import NewType

OwnerId = NewType("OwnerId", str)
AgentId = NewType("AgentId", str)
CredentialId = NewType("CredentialId", str)
SessionId = NewType("SessionId", str)
MessageId = NewType("MessageId", str)
RunId = NewType("RunId", str)


def new_id() -> str:
    """A UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits, as 32 hex digits."""
    random = int.from_bytes(os.urandom(10), "big")
    high = (time.time_ns() // 1_000_000 << 16) | 0x7000 | (random >> 68)
    low = 0x8000000000000000 | (random & 0x3FFFFFFFFFFFFFFF)
    return f"{high:016x}{low:016x}"
