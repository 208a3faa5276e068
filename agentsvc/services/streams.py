"""Streams: the events of one session, from any moment on, each once and in order."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

from agentsvc.bus.bus import MessageBus
from agentsvc.bus.log import Bounds
from agentsvc.bus.subscription import HEARTBEAT, Subscription, frame
from agentsvc.domain.errors import NotFound
from agentsvc.domain.events import STREAM_GAP, STREAM_RESUMED, Custom, encode_event
from agentsvc.domain.ids import AgentId, OwnerId, SessionId, new_id
from agentsvc.domain.messages import Msg
from agentsvc.domain.times import now
from agentsvc.services.sessions import Sessions

_PAGE = 500  # events a read of the log
_SNAPSHOT = 50  # messages that stand in for events which are gone


@dataclass(frozen=True)
class Streams:
    """Reads the log of a session, then what the hub hears, and the log again whenever something was missed."""

    bus: MessageBus
    sessions: Sessions

    async def open(
        self, owner: OwnerId, session_id: SessionId, agent_id: AgentId, after: int | None = None
    ) -> AsyncGenerator[bytes]:
        """Server-sent events after a seq, framed; without one, from the start of the reply in flight or parked.

        A given ``after`` is answered by ``stream_resumed`` or, when events after it are gone, by ``stream_gap``. The
        stream ends when the session is deleted and when this process stops. Raises NotFound.
        """
        head = await self.sessions.head(owner, session_id, agent_id)
        start = after if after is not None else head.reply_seq - 1 if head.reply_seq else head.seq
        return self._frames(session_id, start, greet=after is not None)

    async def _frames(self, session_id: SessionId, cursor: int, *, greet: bool) -> AsyncGenerator[bytes]:
        async with self.bus.hub.join(session_id) as live:
            opening, cursor = await self._opening(session_id, cursor) if greet else (HEARTBEAT, cursor)
            yield opening
            with suppress(NotFound):  # it was deleted while nobody listened
                while not (live.ended and not live.lost):
                    live.renew()
                    async for seq, frames in self._logged(session_id, cursor):
                        cursor = seq
                        yield frames
                    async for seq, frames in _heard(live, cursor):
                        cursor = seq
                        yield frames

    async def _opening(self, session_id: SessionId, after: int) -> tuple[bytes, int]:
        bounds = await self.bus.log.bounds(session_id)
        if bounds.oldest - 1 <= after <= bounds.latest:
            return _notice(Custom(name=STREAM_RESUMED, value={"after": str(after)})), after
        return await self._gap(session_id, bounds), bounds.oldest - 1

    async def _logged(self, session_id: SessionId, cursor: int) -> AsyncGenerator[tuple[int, bytes]]:
        """What the log holds after the cursor, page by page, with the new cursor."""
        while True:
            page, latest = await self.bus.log.read(session_id, cursor, _PAGE)
            if latest < cursor:  # a fail-over took back what had not been copied to the replica
                bounds = await self.bus.log.bounds(session_id)
                cursor = bounds.oldest - 1
                yield cursor, await self._gap(session_id, bounds)
                continue
            if not page:
                return
            if page[0][0] > cursor + 1:
                gap = await self._gap(session_id, Bounds(page[0][0], page[-1][0]))
                yield page[0][0] - 1, gap
            cursor = page[-1][0]
            yield cursor, b"".join([frame(seq, event) for seq, event in page])
            if len(page) < _PAGE:
                return

    async def _gap(self, session_id: SessionId, bounds: Bounds) -> bytes:
        """Events are gone that the client has not seen; the messages that they made are here."""
        messages: list[Msg]
        messages, _ = await self.bus.transcripts.page(session_id, _SNAPSHOT)
        value = {"oldest": str(bounds.oldest), "latest": str(bounds.latest), "messages": messages}
        return _notice(Custom(name=STREAM_GAP, value=value))


async def _heard(live: Subscription, cursor: int) -> AsyncGenerator[tuple[int, bytes]]:
    """What comes in after the cursor, until something was missed or the stream ends."""
    while True:
        cursor, frames = live.take(cursor)
        if frames:
            yield cursor, frames
        elif live.lost or live.ended:
            return
        else:
            await live.wait()


def _notice(event: Custom) -> bytes:
    """An event of the stream itself: it is in no log, so it moves no cursor."""
    told = Custom(id=new_id(), created_at=now(), name=event.name, value=event.value)
    return b"data: %b\n\n" % encode_event(told)
