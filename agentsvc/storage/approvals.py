"""Approvals of one owner: what waits for them in any of their sessions, and the last ones that were answered."""

from collections.abc import Sequence

from agentsvc.domain.approvals import ApprovalRecord
from agentsvc.domain.ids import OwnerId, SessionId
from agentsvc.domain.records import Page
from agentsvc.kv.client import Redis
from agentsvc.kv.scripts import Script
from agentsvc.storage.collection import Collection, encode_record
from agentsvc.storage.keys import KindKeys, encoded

_PROJECT = Script("agentsvc.storage", "project")
_FORGET = Script("agentsvc.storage", "forget")

_KEPT = 1000  # answered approvals of one owner
_AT_ONCE = 500  # deletions a script: it keeps Redis to itself


class ApprovalRecords(Collection[ApprovalRecord]):
    """Those that wait have indexes of their own, so that old ones cost nothing.

    They are written only by ``project`` and ``forget``, each of which may be repeated.
    """

    __slots__ = ("_answered", "_pending", "_session")

    def __init__(self, redis: Redis, owner: OwnerId) -> None:
        super().__init__(redis, owner, "approval", ApprovalRecord, within="session_id")
        self._pending = KindKeys(owner, "pending-approval")
        self._answered = KindKeys(owner, "answered-approval").index
        self._session = KindKeys(owner, "session").record

    async def project(self, session_id: SessionId, records: Sequence[ApprovalRecord], keep: int = _KEPT) -> bool:
        """Keep these approvals of a session; False, and nothing is kept, when there is no such session.

        One that is there and at the same stage, or a later one, stays as it is. Of all that were answered the last
        ``keep`` stay.
        """
        words: list[str | bytes | int] = []
        for record in records:
            words += (encoded(record.id), record.stage, encode_record(record))
        kept = await self._redis.call(
            _PROJECT,
            (self._session + encoded(session_id), *self._indexes(session_id)),
            (self.keys.record, self.keys.within, encoded(session_id), keep, *words),
        )
        return bool(kept)

    async def page_pending(
        self, limit: int, cursor: str | None = None, within: SessionId | None = None
    ) -> Page[ApprovalRecord]:
        """As ``page``, but only of those that wait."""
        index = self._pending.index if within is None else self._pending.within + encoded(within)
        return await self._page(index, limit, cursor)

    async def many(self, approval_ids: Sequence[str]) -> list[ApprovalRecord]:
        """Those of them that are there, in one round trip."""
        if not approval_ids:
            return []
        stored = await self._redis.run("MGET", *(self._key(each) for each in approval_ids))
        found = [self.read_or_none(each, raw) for each, raw in zip(approval_ids, stored, strict=True)]
        return [record for record in found if record is not None]

    async def forget(self, session_id: SessionId) -> None:
        """Delete all approvals of a session."""
        words = (self.keys.record, encoded(session_id), _AT_ONCE)
        while await self._redis.call(_FORGET, self._indexes(session_id), words):
            pass

    def _indexes(self, session_id: SessionId) -> tuple[str, ...]:
        return (
            self.keys.index,
            self._index(session_id),
            self._pending.index,
            self._pending.within + encoded(session_id),
            self._answered,
        )
