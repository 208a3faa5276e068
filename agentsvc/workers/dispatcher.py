"""Claims run requests, carries the runs out, and keeps their leases while they last."""

import asyncio
import logging
from collections.abc import Awaitable
from contextlib import suppress

from agentsvc import telemetry
from agentsvc.bus.bus import MessageBus
from agentsvc.bus.leases import Grant
from agentsvc.bus.queue import Ticket
from agentsvc.domain.errors import LeaseLost
from agentsvc.domain.ids import SessionId
from agentsvc.runs.memory import Memory
from agentsvc.runs.prepare import Prepare
from agentsvc.runs.run import Run
from agentsvc.workers.places import Places
from agentsvc.workers.supervisor import pause

log = logging.getLogger(__name__)

_WAIT_MS = 1_000  # how long a claim waits for a request before it looks whether it shall stop
_TURN_MS = 50  # the same when claims from other shards may wait for its place
_AT_ONCE = 64  # requests a claim
_LAST = 2.0  # seconds to hand a session over
_REMEMBERED = 16 * 1024 * 1024  # bytes of conversations; as objects they take some times as much
_REMEMBERED_S = 600.0  # seconds that a conversation is remembered, since nobody tells when it is deleted
_BEAT = 1.0  # most seconds between renewals; a stop whose signal was lost is seen then at the latest


class Dispatcher:
    """Carries out at most ``limit`` runs. Once ``draining`` it takes no more and hands over what has not ended with the
    step in progress, or after ``grace_s``. A stop sets it, and so does somebody who asks this worker to drain.
    """

    def __init__(
        self,
        bus: MessageBus,
        prepare: Prepare,
        *,
        limit: int,
        lease_s: float,
        grace_s: float,
        draining: asyncio.Event | None = None,
    ) -> None:
        self._bus = bus
        self._prepare = prepare
        self._places = Places(limit)
        self._share = max(1, min(_AT_ONCE, limit // bus.queue.shards))
        self._lease_s = lease_s
        self._grace_s = grace_s
        self._draining = draining or asyncio.Event()
        self._beat = min(_BEAT, lease_s / 4)
        self._memory = Memory(_REMEMBERED, _REMEMBERED_S)
        self._tickets: dict[Ticket, asyncio.Task[None]] = {}
        self._runs: dict[SessionId, Run] = {}
        self._asked: set[SessionId] = set()
        self._looking: asyncio.Task[None] | None = None
        self._drained = asyncio.Event()

    async def claim(self, shard: int, stop: asyncio.Event) -> None:
        """The loop that takes new requests from one shard."""
        while not self._leaves(stop):
            count = await self._places.reserve(self._share, self._draining)
            if count:
                wait_ms = _TURN_MS if self._places.wanted else _WAIT_MS
                await self._take(count, self._bus.queue.claim(shard, self._bus.worker, count, wait_ms), stop)

    async def reclaim(self, stop: asyncio.Event) -> None:
        """The loop that takes over what silent workers had claimed."""
        while not self._leaves(stop):
            for shard in range(self._bus.queue.shards):
                while await self._take_over(shard, stop):
                    pass
            await pause(self._draining, self._lease_s / 5)

    async def _take_over(self, shard: int, stop: asyncio.Event) -> bool:
        """Says whether there may be more."""
        count = await self._places.reserve(_AT_ONCE, self._draining)
        if not count:
            return False
        idle_ms = int(self._lease_s * 1000)
        return await self._take(count, self._bus.queue.reclaim(shard, self._bus.worker, idle_ms, count), stop) == count

    async def _take(self, count: int, claiming: Awaitable[list[Ticket]], stop: asyncio.Event) -> int:
        """Begin what is claimed, in as many places as were set aside; how many requests that is."""
        begun = 0
        try:
            tickets = await claiming
            for ticket in tickets:
                begun += await self._begin(ticket, stop)
        finally:
            self._places.give_back(count - begun)
        await self._bus.queue.admit(tickets, room=self._places.free)
        return len(tickets)

    async def renew(self, stop: asyncio.Event) -> None:
        """The loop that keeps leases and claims and says that this worker is there, until it is to stop and the last
        run has ended; then nothing of it is left.
        """
        self._bus.hub.on_stop = self._look_at
        self._bus.hub.on_silence = self._look_at_all
        self._bus.hub.on_drain = self._draining.set
        while not (stop.is_set() and self._drained.is_set()):
            await self._renew()
            await self._rest(stop)
        with suppress(ConnectionError):
            await self._bus.workers.leave(self._bus.worker)
            await self._bus.queue.forget(self._bus.worker)

    async def drain(self, stop: asyncio.Event) -> None:
        """The loop that ends the runs when the process is to stop or to drain."""
        await _either(stop, self._draining)
        self._draining.set()
        for each in self._runs.values():
            each.leave()
        await self._ended(self._grace_s)
        for ticket, task in list(self._tickets.items()):
            run = self._runs.get(ticket.request.session_id)
            if run is not None:
                run.hand_over()
            else:  # it has not begun; the request stays claimed until another worker takes it
                task.cancel()
        await self._ended(_LAST)
        for task in self._tickets.values():
            task.cancel()
        self._drained.set()

    async def _ended(self, seconds: float) -> None:
        """Wait for what is under way, but not longer."""
        if self._tickets:
            await asyncio.wait(self._tickets.values(), timeout=seconds)

    def _leaves(self, stop: asyncio.Event) -> bool:
        return stop.is_set() or self._draining.is_set()

    async def _rest(self, stop: asyncio.Event) -> None:
        """Wait for the next beat, which comes sooner while others wait for the end of the runs."""
        if not self._leaves(stop):
            await pause(self._draining, self._beat)
        elif not self._drained.is_set():
            await asyncio.sleep(self._beat / 10)
        else:
            await pause(stop, self._beat)

    def _holds(self, ticket: Ticket) -> bool:
        """A claim that was not renewed in time looks abandoned, also to the worker that is still at it."""
        return any((each.shard, each.entry) == (ticket.shard, ticket.entry) for each in self._tickets)

    async def _begin(self, ticket: Ticket, stop: asyncio.Event) -> bool:
        """Begin, unless it has been begun here; or leave it to another worker when this one takes no more.

        What a silent worker had claimed stays claimed then: that one may still have the session, and a new request is
        dropped while somebody has.
        """
        if ticket.reclaimed and self._holds(ticket):
            return False
        if self._leaves(stop):
            if not ticket.reclaimed:
                await self._bus.queue.done(ticket, instead=ticket.request)
            return False
        self._start(ticket)
        return True

    def _start(self, ticket: Ticket) -> None:
        task = asyncio.create_task(self._serve(ticket), name=f"run {ticket.request.session_id}")
        self._tickets[ticket] = task
        task.add_done_callback(lambda _: self._finished(ticket))

    def _finished(self, ticket: Ticket) -> None:
        self._tickets.pop(ticket, None)
        self._places.give_back()

    async def _serve(self, ticket: Ticket) -> None:
        """From the request to its end. What fails here stays claimed, and is taken over when the claim is stale."""
        try:
            instead = ticket.request if await self._carry_out(ticket) else None
            await self._bus.queue.done(ticket, instead)
        except LeaseLost as error:
            log.info("run left to another worker: %s", error)
        except ConnectionError as error:
            log.warning("session %s: run broken off: %s", ticket.request.session_id, error)
        except Exception:
            log.exception("session %s: run broken off", ticket.request.session_id)

    async def _carry_out(self, ticket: Ticket) -> bool:
        """Says whether somebody else has to go on. Raises LeaseLost for what stays claimed."""
        request = ticket.request
        remembered = self._memory.take(request.session_id)
        while True:
            taken, records = await asyncio.gather(
                self._bus.leases.take(request, self._bus.worker, remembered.token if remembered is not None else ""),
                self._prepare.records(request.owner, request.session_id),
                return_exceptions=True,
            )
            if isinstance(taken, BaseException):
                raise taken
            if isinstance(taken, Grant):
                known = () if isinstance(records, BaseException) else (records,)
                run = Run(self._bus, self._prepare, taken, *known, remembered=remembered)
                with telemetry.bound(user=taken.owner, session=taken.session_id, run=taken.run_id):
                    return not await self._run(run)
            if taken is None or not ticket.reclaimed:
                return False  # nothing to do, or the holder cannot leave without looking at the inbox
            await pause(self._draining, min(taken.seconds, self._lease_s))
            if self._draining.is_set():
                raise LeaseLost(f"session {request.session_id}: somebody holds it, and this worker leaves")

    async def _run(self, run: Run) -> bool:
        earlier = self._runs.get(run.session_id)
        if earlier is not None:  # its lease ran out, and a later request of this worker was given the session
            earlier.lose()
        self._runs[run.session_id] = run
        if self._draining.is_set():
            run.leave()
        try:
            ended = await run.carry_out()
            if ended:
                self._memory.keep(run.session_id, run.remembered, asyncio.get_running_loop().time())
            return ended
        finally:
            if self._runs.get(run.session_id) is run:
                del self._runs[run.session_id]

    async def _renew(self) -> None:
        now = asyncio.get_running_loop().time()
        self._memory.age(now)
        quiet = [run for run in self._runs.values() if now - run.writer.wrote_at >= self._beat]
        *_, asked = await asyncio.gather(  # one round trip
            self._check(quiet),
            self._bus.queue.touch(self._bus.worker, list(self._tickets)),
            self._bus.queue.admit(),  # what a claim failed to let in
            self._bus.workers.beat(self._bus.worker, runs=len(self._tickets), draining=self._draining.is_set()),
        )
        if asked:
            self._draining.set()

    async def _check(self, runs: list[Run]) -> None:
        """Renew the leases of these runs and hear whether they shall stop."""
        if not runs:
            return
        before = [run.replied for run in runs]
        renewals = await self._bus.leases.renew([run.grant for run in runs])
        for run, replied, renewal in zip(runs, before, renewals, strict=True):
            if not renewal.held and self._runs.get(run.session_id) is run:
                run.lose()
            elif renewal.stop is not None and run.replied == replied:  # else it may mean a reply that has ended
                run.interrupt(renewal.stop)

    def _look_at(self, *session_ids: SessionId) -> None:
        """A signal says that something was asked of a run; the head of the session says what."""
        self._asked |= self._runs.keys() & session_ids
        if self._asked and self._looking is None:
            self._looking = asyncio.create_task(self._heed(), name="signals")

    def _look_at_all(self) -> None:
        """Signals may have been lost."""
        self._look_at(*self._runs)

    async def _heed(self) -> None:
        """One look at a time: what is signalled meanwhile is looked at after it."""
        try:
            while self._asked:
                runs = [self._runs[session_id] for session_id in self._runs.keys() & self._asked]
                self._asked.clear()
                with suppress(ConnectionError):  # the next renewal asks again
                    await self._check(runs)
        finally:
            self._looking = None


async def _either(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
