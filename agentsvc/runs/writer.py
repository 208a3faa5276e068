"""The one writer of a session while its lease is held: events in order, and what moves with them."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from agentsvc.bus.leases import Entry, Grant, Heard, Leases
from agentsvc.domain import events as ev
from agentsvc.domain.errors import LeaseLost
from agentsvc.domain.runs import Stop

log = logging.getLogger(__name__)

_AT_ONCE = 100  # events a write: a script keeps Redis to itself
_MERGED = 32_768  # characters of one merged delta
_AHEAD = 262_144  # characters that may wait for a slow Redis before the model has to wait too
_PATIENCE = 60.0  # seconds that Redis may be away while a run holds on
_NOTHING = Entry()

_Delta = ev.TextBlockDelta | ev.ThinkingBlockDelta | ev.ToolCallDelta | ev.ToolResultTextDelta
_DELTAS = (ev.TextBlockDelta, ev.ThinkingBlockDelta, ev.ToolCallDelta, ev.ToolResultTextDelta)
_WITH_ENTRY = (
    ev.ReplyStart,
    ev.ReplyEnd,
    ev.RequireUserConfirm,
    ev.RequireExternalExecution,
    ev.UserConfirmResult,
    ev.ExternalExecutionResult,
)


class Writer:
    """Batches without a timer: while one write is under way the next one gathers, and neighbouring deltas of one block
    become one, so that an idle stream has no latency added and a busy one shares its round trips.

    What opens, parks, resumes or ends a reply waits for the entry that goes with it: without it nobody who takes over
    would know of it.

    ``on_stop`` is called when a write tells that a stop was asked for, ``on_lost`` when the lease has gone to somebody
    else, Redis stays away or refuses; nothing is written after that. ``waiting`` is how many entries the inbox had at
    the last write.
    """

    def __init__(
        self, leases: Leases, grant: Grant, on_stop: Callable[[Stop], None], on_lost: Callable[[], None]
    ) -> None:
        self._leases = leases
        self._grant = grant
        self._session_id = grant.session_id
        self._seq = grant.seq
        self._on_stop = on_stop
        self._on_lost = on_lost
        self._events: list[ev.Event] = []
        self._parts: list[str] = []
        self._growing: tuple[type, str] | None = None
        self._held = False
        self._ahead = 0
        self._units: deque[tuple[list[ev.Event], Entry]] = deque()
        self._task: asyncio.Task[None] | None = None
        self.lost: Exception | None = None
        self.waiting = len(grant.inbox)
        self.wrote_at = 0.0

    @property
    def full(self) -> bool:
        """So much waits that whoever produces should wait with it."""
        return self._ahead > _AHEAD

    def append(self, event: ev.Event) -> None:
        """One more event, to be written soon."""
        self._ahead += _weight(event)
        if isinstance(event, _DELTAS):
            self._grow(event)
        else:
            self._seal()
            self._events.append(event)
            self._held = self._held or isinstance(event, _WITH_ENTRY)
        self._start()

    def attach(self, entry: Entry) -> None:
        """What moves in one step with the events appended since the last entry."""
        self._seal()
        self._units.append((self._events, entry))
        self._events = []
        self._held = False
        self._start()

    async def settle(self) -> None:
        """Wait until everything is written. Raises LeaseLost or ConnectionError when it never will be."""
        while self._task is not None:
            await asyncio.shield(self._task)
        if self.lost is not None:
            raise self.lost

    def _start(self) -> None:
        if self._task is None and not self._held:
            self._task = asyncio.create_task(self._write_all(), name=f"writer {self._session_id}")

    def _grow(self, event: _Delta) -> None:
        block = event.block_id if isinstance(event, ev.TextBlockDelta | ev.ThinkingBlockDelta) else event.tool_call_id
        if self._growing == (type(event), block):
            self._parts.append(event.delta)
            return
        self._seal()
        self._events.append(event)
        self._growing, self._parts = (type(event), block), [event.delta]

    def _seal(self) -> None:
        """The last delta takes no more."""
        if len(self._parts) > 1:
            last = self._events.pop()
            whole = "".join(self._parts)
            for at in range(0, len(whole), _MERGED):
                self._events.append(replace(last, delta=whole[at : at + _MERGED]))
        self._growing, self._parts = None, []

    async def _write_all(self) -> None:
        try:
            while (self._units or (self._events and not self._held)) and self.lost is None:
                await self._write(*self._next())
        except Exception as error:  # nothing may be written after what was not
            known = isinstance(error, LeaseLost | ConnectionError)
            log.warning("session %s: writing ends: %s", self._session_id, error, exc_info=None if known else error)
            self.lost = error
            self._on_lost()
        finally:
            self._task = None

    def _next(self) -> tuple[list[ev.Event], Entry]:
        if not self._units:
            self._seal()
            events, self._events = self._events, []
            self._units.append((events, _NOTHING))
        events, entry = self._units[0]
        if len(events) <= _AT_ONCE:
            return self._units.popleft()
        self._units[0] = events[_AT_ONCE:], entry
        return events[:_AT_ONCE], _NOTHING

    async def _write(self, events: list[ev.Event], entry: Entry) -> None:
        first = self._seq + 1
        raw = [_numbered(event, seq) for seq, event in enumerate(events, first)]
        heard = await self._persist(first, raw, entry)
        self._seq += len(raw)
        self._ahead -= sum(map(_weight, events))
        self.wrote_at = asyncio.get_running_loop().time()
        self.waiting = heard.waiting
        if heard.stop is not None:
            self._on_stop(heard.stop)

    async def _persist(self, first: int, raw: Sequence[bytes], entry: Entry) -> Heard:
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE
        while True:
            try:
                return await self._leases.write(self._grant, first, raw, entry)
            except ConnectionError:
                if loop.time() > until:
                    raise
                log.warning("session %s: Redis is away, the run waits", self._session_id)


def _weight(event: ev.Event) -> int:
    """The characters that make an event large."""
    match event:
        case ev.TextBlockDelta(delta=text) | ev.ThinkingBlockDelta(delta=text) | ev.ToolCallDelta(delta=text):
            return len(text)
        case ev.ToolResultTextDelta(delta=text) | ev.DataBlockDelta(data=text):
            return len(text)
        case ev.ToolResultDataDelta(data=data):
            return len(data or "")
        case _:
            return 0


def _numbered(event: ev.Event, seq: int) -> bytes:
    """An event as the log has it. The id follows the tag, so it is put in without encoding twice."""
    return ev.encode_event(event).replace(b'"id":""', b'"id":"%d"' % seq, 1)
