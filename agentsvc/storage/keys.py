"""Every stored key, and how long it lives.

| key | holds | life |
|---|---|---|
| ``{o:<owner>}:<kind>`` | ids of all records of a kind by time of creation (sorted set, µs) | as its records |
| ``{o:<owner>}:<kind>:of:<id>`` | the same for the records that lie within another one | as its records |
| ``{o:<owner>}:<kind>:<id>`` | a record (JSON) | until its owner deletes it |
| ``{o:<owner>}:pending-approval``, ``…:of:<id>`` | ids of the approvals that wait (sorted sets, as above) | as these |
| ``{o:<owner>}:answered-approval`` | session and id of those that were answered (sorted set, µs) | the last 1,000 |
| ``{o:<owner>}:wrote:<token>`` | that a write has been carried out (empty) | ``RECEIPT_MS`` |
| ``{o:<owner>}:idempotency:<digest>`` | the answer to a request (hash) | a claim a minute, an answer a day |

What an owner or a client has named is encoded, so it holds neither ``:`` nor braces: all keys of an owner share a slot,
and no name can be mistaken for another one.
"""

from hashlib import blake2b
from urllib.parse import quote

from agentsvc.domain.ids import OwnerId, new_id

# Longer than a command is asked for again after its answer was lost.
RECEIPT_MS = 60_000

# What SCAN finds the records of all owners with.
EVERY_CREDENTIAL = "{o:*}:credential:*"
EVERY_SESSION = "{o:*}:session:*"


def encoded(name: str) -> str:
    """A name as part of a key."""
    return quote(name, safe="", errors="surrogatepass")


class KindKeys:
    """The keys of one kind of records of one owner; ``record`` and ``within`` are followed by an encoded id."""

    __slots__ = ("index", "record", "within")

    def __init__(self, owner: OwnerId, kind: str) -> None:
        self.index = f"{_tag(owner)}:{kind}"
        self.record = f"{self.index}:"
        self.within = f"{self.index}:of:"


def receipt(owner: OwnerId) -> str:
    """A new key: where one write says that it has been carried out."""
    return f"{_tag(owner)}:wrote:{new_id()}"


def idempotency(owner: OwnerId, key: str) -> str:
    digest = blake2b(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()
    return f"{_tag(owner)}:idempotency:{digest}"


def _tag(owner: OwnerId) -> str:
    return "{o:" + encoded(owner) + "}"
