"""One execution on a session, from lease to release."""

import asyncio
import logging
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import aclosing, contextmanager
from functools import partial

from msgspec.structs import replace

from agentsvc.agent.agent import Agent
from agentsvc.agent.answers import Answer
from agentsvc.agent.interruption import Interrupted, Interruption
from agentsvc.agent.loop import Reply
from agentsvc.agent.standing import open_calls
from agentsvc.bus.bus import MessageBus
from agentsvc.bus.leases import Entry, Grant, Release
from agentsvc.domain.errors import LeaseLost
from agentsvc.domain.events import ExternalExecutionResult, UserConfirmResult
from agentsvc.domain.ids import SessionId
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Closing, Input, Messages, Stop
from agentsvc.domain.sessions import Status
from agentsvc.domain.states import AgentState
from agentsvc.domain.times import clock
from agentsvc.runs.account import HEARD, Account
from agentsvc.runs.arrivals import Arrivals
from agentsvc.runs.journal import ReplyJournal, Stored, encode_state
from agentsvc.runs.memory import Remembered
from agentsvc.runs.prepare import Prepare, unprepared
from agentsvc.runs.questions import Questions
from agentsvc.runs.reading import state_of
from agentsvc.runs.writer import Writer
from agentsvc.storage.store import Bundle

log = logging.getLogger(__name__)


class Run:
    """Answers what waits in the inbox of one session, one reply after the other.

    ``interrupt`` ends the reply, ``leave`` and ``hand_over`` the run: the session then goes to another worker as last
    recorded, after the step in progress or at once. ``replied`` is how many replies have ended.
    """

    def __init__(
        self,
        bus: MessageBus,
        prepare: Prepare,
        grant: Grant,
        *records: Bundle | None,
        remembered: Remembered | None = None,
    ) -> None:
        self._bus = bus
        self._prepare = prepare
        self._grant = grant
        self._records: deque[Bundle | None] = deque(records)
        self._interruption = Interruption()
        if grant.known and remembered is not None:
            self._state, self._stored = remembered.state, remembered.stored
        else:
            self._state = state_of(grant)
            # One that cannot be read is rewritten with all that stands around it.
            whole = len(self._state.context) == len(grant.context)
            self._stored = Stored(self._state.context, [*map(len, grant.context)]) if whole else Stored([], [])
        self._task: asyncio.Task[None] | None = None
        self._left = False
        self._handed_over = False
        self._cancelled = False
        self._releasing = False
        self.writer = Writer(bus.leases, grant, on_stop=self.interrupt, on_lost=self._cancel)
        self._account = Account(grant)
        self._questions = Questions(prepare, self.writer, grant)
        self._arrivals = Arrivals(bus.inbox, self.writer, grant)
        self._clock = clock(grant.ahead_s)
        self._since = asyncio.get_running_loop().time() - grant.age_s
        self.replied = 0
        if grant.stop is not None:
            self.interrupt(grant.stop)

    @property
    def session_id(self) -> SessionId:
        return self._grant.session_id

    @property
    def grant(self) -> Grant:
        return self._grant

    @property
    def remembered(self) -> Remembered:
        """What may be known of the session when this run has ended and nobody else has held it."""
        size = sum(self._stored.lengths) + len(encode_state(self._state))
        return Remembered(self._grant.token, self._state, self._stored, size)

    def interrupt(self, stop: Stop) -> None:
        self._interruption.request(stop)

    def leave(self) -> None:
        self._interruption.leaves = True

    def hand_over(self) -> None:
        self._handed_over = True
        self._cancel()

    async def carry_out(self) -> bool:
        """Says whether the run has ended for good; it has not when it was handed over. Raises LeaseLost."""
        self._task = asyncio.current_task()
        try:
            await self._reply_to_all()
        except asyncio.CancelledError:
            if self.writer.lost is None and not self._handed_over:
                raise
            if self._task is not None:
                self._task.uncancel()
        await self.writer.settle()
        if self._handed_over:
            await self._release("running")
        return not self._handed_over

    async def _release(self, status: Status) -> Release:
        self._releasing = True
        try:
            return await self._bus.leases.release(self._grant, status)
        finally:
            self._releasing = False

    def lose(self) -> None:
        """The lease is gone: whatever is done from now on is in vain. While it is given back that is no news."""
        if self.writer.lost is None and not self._releasing:
            self.writer.lost = LeaseLost(f"session {self.session_id}: the lease could not be renewed")
            self._cancel()

    def _cancel(self) -> None:
        """Once, whoever finds a reason: the end of a run is not to be cancelled in its turn."""
        if self._task is not None and not self._cancelled:
            self._cancelled = True
            self._task.cancel()

    async def _reply_to_all(self) -> None:
        if self._grant.resumed and self._open:
            await self._reply()
        while not self._leaves:
            await self._reply_to_those_waiting()
            if self._arrivals:
                await self._take_in(*self._arrivals.next())
            elif self._open and self._interruption.requested:
                await self._reply()
            elif await self._released():
                return
        self._handed_over = True

    @property
    def _leaves(self) -> bool:
        """Whether something is left to be done, and not here."""
        owed = bool(self._arrivals) or (bool(self._state.waiting) and not self._open)
        return self._left or (self._interruption.leaves and owed)

    async def _released(self) -> bool:
        """Leave, unless there is something to be done after all."""
        await self.writer.settle()
        await self._forget_approvals()
        match await self._release(_status(self._state)):
            case "released":
                return True
            case "waiting":
                await self._arrivals.look()
            case stop:
                self.interrupt(stop)
        return False

    @property
    def _open(self) -> bool:
        """A reply has begun and not ended: it is parked, or another worker has left it."""
        return bool(self._state.reply_context.reply_id)

    async def _take_in(self, entry: bytes, given: Input | None) -> None:
        match given:
            case Messages(messages=messages) if not self._open:
                await self._reply(messages, entry=entry)
            case Messages(messages=messages):  # kept in order, so that the question can still be answered
                self._state.waiting = [*self._state.waiting, *messages]
                self._record(entry)
            case (UserConfirmResult() | ExternalExecutionResult()) as answer if self._open:
                await self._reply(answer=answer, entry=entry)
            case Closing(stop=stop) if self._open:
                self.interrupt(stop)
                await self._reply(entry=entry, closing=True)
            case _:  # an answer to a question that nobody asks any more, or nothing that can be read
                self.writer.attach(Entry(done=(entry,)))

    async def _reply_to_those_waiting(self) -> None:
        """What came while a reply was parked, before all that came after it."""
        if self._state.waiting and not self._open:
            messages, self._state.waiting = self._state.waiting, []
            await self._reply(messages)

    async def _reply(
        self,
        inputs: Sequence[Msg] = (),
        *,
        answer: Answer | None = None,
        entry: bytes | None = None,
        closing: bool = False,
    ) -> None:
        records = await self._current_records()
        with self._limited(records):
            agent = await self._agent(records)
            if records is not None:
                self._state.permission_context = replace(
                    self._state.permission_context, mode=records.session.permission_mode
                )
            journal = ReplyJournal(self.writer, self._account, self._stored, entry, resumed=self._open, closing=closing)
            journal.reply = reply = Reply(
                agent, self._state, journal, self._interruption, self._clock, arrivals=partial(self._arrived, journal)
            )
            await self._follow(reply, journal, inputs, answer)
        self._state = reply.state
        self._stored = journal.stored
        self._left = reply.left
        await self.writer.settle()
        if not reply.parked:
            self._interruption.reset()
            self.replied += 1
            self._grant = replace(self._grant, attempts=0)  # the next reply has not failed
        self._since = asyncio.get_running_loop().time()

    async def _agent(self, records: Bundle | None) -> Agent:
        """To set one up may take long; one that is to stop is not needed any more, but the reply has to end."""
        try:
            with self._interruption:
                return await self._prepare.agent(self._grant, records)
        except Interrupted:
            return unprepared(records)

    async def _follow(self, reply: Reply, journal: ReplyJournal, inputs: Sequence[Msg], answer: Answer | None) -> None:
        async with aclosing(reply.events(inputs, answer)) as events:
            async for event in events:
                if isinstance(event, HEARD):
                    self._account.hear(event)
                self.writer.append(event)
                if self.writer.full:
                    await self.writer.settle()
                if journal.recorded is not None:
                    await self._questions.tell(journal.recorded)

    async def _arrived(self, journal: ReplyJournal) -> Sequence[Msg]:
        """What the reply takes in; nothing while older messages are kept for after it."""
        return [] if self._state.waiting else await self._arrivals.into(journal)

    @contextmanager
    def _limited(self, records: Bundle | None) -> Generator[None]:
        """The reply ends when its run has taken as long as its agent may."""
        agent = records.agent if records is not None else None
        if agent is None or (limit := agent.data.run_config.time_limit) is None:
            yield
            return
        timer = asyncio.get_running_loop().call_at(self._since + limit, self._interruption.expire)
        try:
            yield
        finally:
            timer.cancel()

    async def _forget_approvals(self) -> None:
        """Those of a reply that has ended, once their records say so."""
        await self._questions.tell(self._state)
        if self._state.approvals and not self._open:
            self._state.approvals = []
            self._questions.forget()
            self._record()
            await self.writer.settle()

    def _record(self, *done: bytes) -> None:
        self.writer.attach(Entry(done=done, state=encode_state(self._state), kept=len(self._state.waiting)))

    async def _current_records(self) -> Bundle | None:
        """Those that were read with the lease for the first reply, as they are now for each later one."""
        if self._records:
            return self._records.popleft()
        return await self._prepare.records(self._grant.owner, self._grant.session_id)


def _status(state: AgentState) -> Status:
    """What a session does whose run has left."""
    if not state.reply_context.reply_id:
        return "idle"
    asking = any(call.state == "asking" for call in open_calls(state.context[-1]))
    return "awaiting_permission" if asking else "awaiting_external_result"
