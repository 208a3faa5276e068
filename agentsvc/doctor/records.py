"""Records and their indexes: what names what."""

from collections.abc import AsyncGenerator, Iterable
from datetime import datetime

from agentsvc.doctor.findings import Finding
from agentsvc.doctor.shapes import KINDS, Named
from agentsvc.domain.ids import OwnerId
from agentsvc.storage.keys import KindKeys, encoded
from agentsvc.storage.survey import Listing, Survey

_APPROVALS = ("{o:<owner>}:pending-approval", "{o:<owner>}:pending-approval:of:<id>", "{o:<owner>}:answered-approval")
_INDEXES = (*_APPROVALS, "{o:<owner>}:<kind>", "{o:<owner>}:<kind>:of:<id>")
_RECORD = "{o:<owner>}:<kind>:<id>"


class Records:
    """Looks at the records and indexes among some keys."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey

    async def look(self, found: Iterable[Named]) -> AsyncGenerator[Finding]:
        records: list[Named] = []
        for each in found:
            if each.shape.name in _INDEXES:
                async for finding in self._dangling(each):
                    yield finding
            elif each.shape.name == _RECORD:
                records.append(each)
        async for finding in self._unlisted(records):
            yield finding

    async def _dangling(self, index: Named) -> AsyncGenerator[Finding]:
        async for members in self._survey.members(index.key):
            for listing in await self._survey.missing([listing_of(index, member) for member in members]):
                yield Finding("dangling-entry", index.key, owner=index.places["owner"], member=listing.member)

    async def _unlisted(self, records: list[Named]) -> AsyncGenerator[Finding]:
        fields = await self._survey.fields([each.key for each in records])
        owners = {each.key: each.places["owner"] for each in records}
        listings = [
            listing for each, known in zip(records, fields, strict=True) for listing in listings_of(each, known)
        ]
        for listing in await self._survey.unlisted(listings):
            yield Finding("unlisted-record", listing.record, owner=owners[listing.record], member=listing.index)


def listing_of(index: Named, member: bytes) -> Listing:
    """What a member of an index names: a record by its encoded id, an answered approval by its session's as well."""
    kind = index.places.get("kind", "approval")
    name = member.rpartition(b":")[2] if index.shape.name == _APPROVALS[-1] else member
    record = KindKeys(OwnerId(index.places["owner"]), kind).record.encode()
    return Listing(index.key, member, record + name)


def listings_of(record: Named, fields: dict[str, object]) -> list[Listing]:
    """The indexes that a record has to be in. One that cannot be read says not what it lies within."""
    names = KindKeys(OwnerId(record.places["owner"]), record.places["kind"])
    name = encoded(record.places["id"]).encode()
    within = fields.get(KINDS[record.places["kind"]])
    indexes = [names.index, *([names.within + encoded(within)] if isinstance(within, str) else [])]
    return [Listing(index.encode(), name, record.key) for index in indexes]


def created_us(fields: dict[str, object]) -> int:
    """When a record was made, in µs; 0 when it does not say so."""
    at = fields.get("created_at")
    try:
        return int(datetime.fromisoformat(at).timestamp() * 1_000_000) if isinstance(at, str) else 0
    except (ValueError, OverflowError):
        return 0
