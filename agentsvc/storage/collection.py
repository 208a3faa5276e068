"""Collections: the records of one kind of one owner."""

import logging
from collections.abc import AsyncGenerator, Callable
from functools import cache
from typing import Any, Generic, TypeVar
from urllib.parse import unquote

import msgspec

from agentsvc.domain.cursors import cursor_after, place_of
from agentsvc.domain.errors import AgentServiceError, Conflict, Invalid, NotFound, Problem, VersionConflict
from agentsvc.domain.ids import OwnerId
from agentsvc.domain.records import Page, Record
from agentsvc.domain.times import now
from agentsvc.kv.client import Redis
from agentsvc.kv.scripts import Script
from agentsvc.storage.keys import RECEIPT_MS, KindKeys, encoded, receipt

SWAP = Script("agentsvc.storage", "swap")
_CREATE = Script("agentsvc.storage", "create")
_DELETE = Script("agentsvc.storage", "delete")
_PAGE = Script("agentsvc.storage", "page")

_LONGEST_PAGE = 1000
# Each failed try is another writer's success.
_TRIES = 1000

T = TypeVar("T", bound=Record)

log = logging.getLogger(__name__)


class Collection(Generic[T]):
    """``within`` names the field that holds the id of the record which these lie within; they can be paged by it.

    Each write is one script: the record and its indexes move together, and once, however often it has to be sent.
    Fields that the form does not know are ignored when a record is read, and lost when it is updated.
    """

    __slots__ = ("_decode", "_kind", "_owner", "_redis", "_within", "keys")

    def __init__(self, redis: Redis, owner: OwnerId, kind: str, form: type[T], *, within: str = "") -> None:
        self._redis = redis
        self._owner = owner
        self._kind = kind
        self._within = within
        self._decode: Callable[[bytes], T] = _decoder(form)
        self.keys = KindKeys(owner, kind)

    async def create(self, record: T) -> None:
        """Keep a new record. Raises Conflict when its id is taken."""
        if record.user_id != self._owner:
            raise ValueError("the record belongs to another owner")
        indexes = [self.keys.index]
        if self._within:
            indexes.append(self._index(getattr(record, self._within)))
        created = await self._redis.call(
            _CREATE,
            (self._key(record.id), receipt(self._owner), *indexes),
            (encode_record(record), encoded(record.id), RECEIPT_MS),
        )
        if not created:
            raise Conflict(f"there is already a {self._kind} with this id")

    async def create_once(self, record: T) -> T:
        """The record that has this id now: the new one, or the one that an earlier attempt has made."""
        try:
            await self.create(record)
        except Conflict:
            return await self.get(record.id)
        return record

    async def get(self, record_id: str) -> T:
        """Raises NotFound."""
        return self.read(record_id, await self._stored(record_id))

    async def page(self, limit: int, cursor: str | None = None, within: str | None = None) -> Page[T]:
        """Up to ``limit`` records, newest first, from where ``cursor`` says; all, or those within another record.

        A walk from page to page meets every record that is there all the time exactly once. A record that cannot be
        read is left out. Raises Invalid for a cursor of another list and a limit outside 1 to 1000.
        """
        return await self._page(self.keys.index if within is None else self._index(within), limit, cursor)

    async def _page(self, index: str, limit: int, cursor: str | None) -> Page[T]:
        """A page of one index."""
        if not 1 <= limit <= _LONGEST_PAGE:
            raise Invalid("limit is out of range", (Problem("limit", f"expected 1 to {_LONGEST_PAGE}"),))
        below = "+inf" if cursor is None else f"({place_of(index, cursor)[0]}"
        total, found, stored = await self._redis.call(_PAGE, (index,), (below, limit, self.keys.record))
        ids, scores = found[::2], found[1::2]
        records = [self.read_or_none(name.decode(), raw) for name, raw in zip(ids[:limit], stored, strict=True)]
        return Page(
            items=[record for record in records if record is not None],
            total=total,
            next_cursor=cursor_after(index, int(float(scores[limit - 1]))) if len(ids) > limit else None,
        )

    async def update(self, record_id: str, change: Callable[[T], T], version: int | None = None) -> T:
        """The record after ``change``, with a new version and time; as it was when ``change`` returned the very same.

        ``change`` is applied anew to what is there when somebody else was faster. With a ``version`` the record must
        still be that one, else VersionConflict is raised. Raises NotFound.
        """
        stored = await self._stored(record_id)
        for _ in range(_TRIES):
            current = self.read(record_id, stored)
            if version not in (None, current.version):
                raise VersionConflict(current.version)
            wanted = change(current)
            if wanted is current:
                return current
            wanted = self._advanced(current, wanted)
            instead = await self._swap(record_id, stored, encode_record(wanted))
            if instead is None:
                return wanted
            stored = instead
        raise Conflict(f"the {self._kind} changes too often")

    async def ids_within(self, within: str) -> AsyncGenerator[str]:
        """The ids of all records within another one, newest first, also of those that cannot be read."""
        index, below = self._index(within), "+inf"
        while True:
            found = await self._redis.run(
                *("ZRANGE", index, below, "-inf", "BYSCORE", "REV", "LIMIT", 0, _LONGEST_PAGE, "WITHSCORES")
            )
            if not found:
                return
            for name in found[::2]:
                yield unquote(name.decode(), errors="surrogatepass")
            below = f"({found[-1].decode()}"

    async def delete(self, record_id: str, within: str | None = None) -> None:
        """``within``, which only a record that cannot be read needs, is what it lies within. Raises NotFound."""
        indexes = [self.keys.index]
        if within is not None:
            indexes.append(self._index(within))
        deleted = await self._redis.call(
            _DELETE,
            (self._key(record_id), receipt(self._owner), *indexes),
            (encoded(record_id), RECEIPT_MS, self._within, self.keys.within),
        )
        if not deleted:
            raise self.missing()

    def read(self, record_id: str, stored: bytes) -> T:
        """The record of these bytes. Raises AgentServiceError when they are not one."""
        try:
            return self._decode(stored)
        except (ValueError, RecursionError) as error:
            raise AgentServiceError(f"the stored {self._kind} {record_id!r} cannot be read") from error

    def read_or_none(self, record_id: str, stored: bytes | None) -> T | None:
        """The record of these bytes, or None, with a word in the log, when they are not one."""
        try:
            return None if stored is None else self.read(record_id, stored)
        except AgentServiceError as error:
            log.exception("%s: left out", error.detail)
            return None

    def missing(self) -> NotFound:
        return NotFound(f"{self._kind} not found")

    def _key(self, record_id: str) -> str:
        return self.keys.record + encoded(record_id)

    def _index(self, within: str) -> str:
        if not self._within:
            raise ValueError(f"a {self._kind} does not lie within another record")
        return self.keys.within + encoded(within)

    async def _stored(self, record_id: str) -> bytes:
        stored: bytes | None = await self._redis.run("GET", self._key(record_id))
        if stored is None:
            raise self.missing()
        return stored

    async def _swap(self, record_id: str, stored: bytes, wanted: bytes) -> bytes | None:
        """None when the record was changed, else what is there instead of ``stored``."""
        reply = await self._redis.call(SWAP, (self._key(record_id), receipt(self._owner)), (stored, wanted, RECEIPT_MS))
        if reply == 0:
            raise self.missing()
        return None if reply == 1 else bytes(reply)

    def _advanced(self, current: T, wanted: T) -> T:
        """The next version. What a record is found by never changes: its indexes would no longer be right."""
        for name in filter(None, ("id", "user_id", "created_at", self._within)):
            if getattr(wanted, name) != getattr(current, name):
                raise ValueError(f"{name} of a {self._kind} cannot change")
        return msgspec.structs.replace(wanted, version=current.version + 1, updated_at=now())


encode_record = msgspec.json.Encoder().encode


@cache
def _decoder(form: type[Record]) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(form).decode
