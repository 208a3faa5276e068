"""Sessions: their heads, and what has none."""

from collections.abc import AsyncGenerator, Iterable

from agentsvc.bus.survey import Standing
from agentsvc.bus.survey import Survey as Live
from agentsvc.doctor.findings import Finding
from agentsvc.doctor.judgements import of_standing
from agentsvc.doctor.shapes import Named, named
from agentsvc.domain.ids import OwnerId, SessionId
from agentsvc.storage.keys import KindKeys, encoded
from agentsvc.storage.survey import Listing
from agentsvc.storage.survey import Survey as Stored

_HEAD = "{s:<sid>}:run"
_RUN = "{s:<sid>}:run:<name>"


class Sessions:
    """Looks at the sessions among some keys."""

    def __init__(self, live: Live, stored: Stored) -> None:
        self._live = live
        self._stored = stored

    async def look(self, found: Iterable[Named]) -> AsyncGenerator[Finding]:
        """Those that run or have something waiting are found as well, whether or not somebody is asked to run them."""
        parts = [each for each in found if each.shape.life == "session"]
        heads = [each for each in parts if each.shape.name == _HEAD]
        session_ids = [SessionId(each.places["sid"]) for each in heads]
        standings = await self._live.standings(session_ids)
        missing = await self._unrecorded(session_ids, standings)
        for head, session_id, standing in zip(heads, session_ids, standings, strict=True):
            kind = of_standing(standing, recorded=session_id not in missing)
            if kind is not None:
                yield Finding(kind, head.key, session_id, standing.owner or standing.retired, evidence_of(standing))
        others = [each for each in parts if each.shape.name != _HEAD]
        alive = await self._live.alive(list({SessionId(each.places["sid"]) for each in others}))
        for each in others:
            if each.places["sid"] not in alive:
                yield Finding("orphan-key", each.key, each.places["sid"])
        runs = {each.key: each.places["sid"] for each in others if each.shape.name == _RUN}
        for run in await self._live.unending(list(runs)):
            yield Finding("immortal-key", run, runs[run])

    async def recorded(self, session_ids: set[str]) -> set[str]:
        """Those of which some owner has a record: all owners' records are looked through."""
        found: set[str] = set()
        async for names in self._stored.sessions():
            known = [named(name) for name in names]
            found |= {
                each.places["id"] for each in known if each and each.places.get("kind") == "session"
            }.intersection(session_ids)
        return found

    async def _unrecorded(self, session_ids: list[SessionId], standings: list[Standing]) -> set[SessionId]:
        records = [
            KindKeys(OwnerId(standing.owner), "session").record + encoded(session_id)
            for session_id, standing in zip(session_ids, standings, strict=True)
        ]
        listings = {
            Listing(b"", session_id.encode(), record.encode())
            for session_id, record in zip(session_ids, records, strict=True)
        }
        return {SessionId(each.member.decode()) for each in await self._stored.missing(list(listings))}


def evidence_of(standing: Standing) -> bytes:
    """What has changed when the session has moved on meanwhile."""
    return f"{standing.fence} {standing.oldest}".encode()
