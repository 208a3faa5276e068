"""Records and indexes across all owners, as an operator sees them. Nothing here is for a service."""

from collections.abc import AsyncGenerator, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from agentsvc.kv.client import Command, Redis
from agentsvc.kv.scripts import Script
from agentsvc.storage.keys import EVERY_SESSION

_UNLIST = Script("agentsvc.storage", "unlist")
_ENLIST = Script("agentsvc.storage", "enlist")


class Listing(Struct, frozen=True):
    """A member of an index, and the key of the record that it names."""

    index: bytes
    member: bytes
    record: bytes


class Look(NamedTuple):
    """The type of a key (``none`` when it is gone), and its lifetime in ms: negative when it has none."""

    type: str
    life_ms: int


class Survey:
    """Reads in batches of a bounded size, so that the service goes on beside it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def everything(self) -> AsyncGenerator[list[bytes]]:
        """The names of all keys, also those that are not of the service."""
        return self._redis.scan("*")

    async def looks(self, names: Sequence[bytes]) -> list[Look]:
        commands: list[Command] = [(word, name) for name in names for word in ("TYPE", "PTTL")]
        replies = await self._redis.each(*commands)
        return [Look(kind.decode(), life) for kind, life in zip(replies[::2], replies[1::2], strict=True)]

    def members(self, index: bytes) -> AsyncGenerator[list[bytes]]:
        """All members of an index; one that is there all the time is found."""
        return self._redis.members(index)

    async def missing(self, listings: Sequence[Listing]) -> list[Listing]:
        """Those whose record is not there."""
        replies = await self._redis.each(*(("EXISTS", each.record) for each in listings))
        return [each for each, there in zip(listings, replies, strict=True) if not there]

    async def unlisted(self, listings: Sequence[Listing]) -> list[Listing]:
        """Those that are not in their index."""
        replies = await self._redis.each(*(("ZSCORE", each.index, each.member) for each in listings))
        return [each for each, score in zip(listings, replies, strict=True) if score is None]

    async def fields(self, records: Sequence[bytes]) -> list[dict[str, object]]:
        """What is in these records; nothing for what cannot be read, or is gone."""
        return [_fields(stored) for stored in await self._redis.each(*(("GET", name) for name in records))]

    async def sessions(self) -> AsyncGenerator[list[bytes]]:
        """The names of the records of all sessions."""
        async for names in self._redis.scan(EVERY_SESSION):
            yield names

    async def unlist(self, listing: Listing) -> bool:
        """Take a member out of its index, unless its record is there; says whether that was done."""
        return bool(await self._redis.call(_UNLIST, (listing.index, listing.record), (listing.member,)))

    async def enlist(self, listing: Listing, score: int) -> bool:
        """Put a record that is there into its index; says whether that was done."""
        return bool(await self._redis.call(_ENLIST, (listing.index, listing.record), (listing.member, score)))

    async def expire(self, name: bytes, life_ms: int) -> bool:
        """Give a key a lifetime, unless it has one; says whether that was done."""
        return bool(await self._redis.run("PEXPIRE", name, life_ms, "NX"))


def _fields(stored: bytes | None) -> dict[str, object]:
    try:
        return _decode(stored or b"{}")
    except (ValueError, RecursionError):
        return {}


_decode = msgspec.json.Decoder(dict[str, object]).decode
