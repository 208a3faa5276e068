"""``GET /sessions/{id}/stream``: server-sent events."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, cast

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, HeaderParameter, QueryParameter
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Send

from agentsvc.domain.errors import Invalid, Problem
from agentsvc.domain.events import Event
from agentsvc.domain.ids import AgentId, SessionId
from agentsvc.http.documents import of_owner
from agentsvc.http.identity import AnyRequest, UserId, expires
from agentsvc.services.streams import Streams

log = logging.getLogger(__name__)

_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
_MOST = 10**15 - 1
_SEQ = re.compile(r"[0-9]{1,15}")

_EVENTS = ResponseSpec(
    cast("Any", Event),
    generate_examples=False,
    description="Events, each as the `data` of one frame with its `id`; a comment now and then on a silent stream.",
    media_type="text/event-stream",
)


class EventStream(ASGIResponse):
    """Sends frames as they come, until there are no more, the client has gone or its identity has expired.

    Cancelled once, not at every await, when it ends early: what the source holds is let go in peace.
    """

    _should_set_content_length = False

    def __init__(self, frames: AsyncGenerator[bytes], expires: float | None = None) -> None:
        super().__init__(media_type="text/event-stream", headers=_HEADERS)
        self._frames = frames
        self._left = None if expires is None else max(expires - time.time(), 0.0)
        self._expired = False

    async def send_body(self, send: Send, receive: Receive) -> None:
        reader = asyncio.current_task()
        gone = asyncio.create_task(_disconnected(receive), name="disconnect")

        def leave(_: asyncio.Task[None]) -> None:
            if reader is not None:
                reader.cancel()

        def expire() -> None:
            self._expired = True
            leave(gone)

        gone.add_done_callback(leave)
        timer = None if self._left is None else asyncio.get_running_loop().call_later(self._left, expire)
        try:
            await self._send_all(send)
        except asyncio.CancelledError:
            if not (gone.done() or self._expired) or reader is None or reader.uncancel():
                raise
        finally:
            if timer is not None:
                timer.cancel()
            gone.remove_done_callback(leave)
            gone.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        try:
            async with aclosing(self._frames):
                async for frames in self._frames:
                    await send({"type": "http.response.body", "body": frames, "more_body": True})
        except ConnectionError as error:  # too late for a 503: the client comes back and says where it was
            log.warning("a stream was broken off: %s", error)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class StreamController(Controller):
    path = "/sessions"
    tags = ("sessions",)

    @get(
        "/{session_id:str}/stream",
        operation_id="stream_session",
        summary="Follow a session",
        responses={200: _EVENTS, **of_owner(404)},
    )
    async def stream(
        self,
        *,
        request: AnyRequest,
        user_id: UserId,
        streams: NamedDependency[Streams],
        session_id: FromPath[SessionId],
        agent_id: FromQuery[AgentId],
        last_event_id: Annotated[
            str | None,
            HeaderParameter(
                name="Last-Event-ID",
                description="Where this client was; beats `after`.",
                schema_extra={"pattern": "^[0-9]{1,15}$"},
            ),
        ] = None,
        after: Annotated[
            int | None, QueryParameter(ge=0, le=_MOST, description="Send the events after the one with this `id`.")
        ] = None,
    ) -> EventStream:
        """The events of a session, without end.

        Without a cursor the stream begins with the reply that is in flight or waits for somebody, with one after the
        event that it names. A stream that was cut off is taken up with the `id` of the last event that arrived.
        """
        cursor = after if last_event_id is None else _seq(last_event_id)
        return EventStream(await streams.open(user_id, session_id, agent_id, cursor), expires(request))


def _seq(event_id: str) -> int:
    if not _SEQ.fullmatch(event_id):
        raise Invalid("Last-Event-ID is no id of an event", (Problem("Last-Event-ID", "expected a whole number"),))
    return int(event_id)
