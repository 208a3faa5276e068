"""Chat: what a user says to an agent, or answers it, and the wish that it stops. Nothing here waits for an agent."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from agentsvc.bus.bus import MessageBus
from agentsvc.bus.inbox import Accepted
from agentsvc.domain.answers import Answer, already_answered, calls_of, check, late, stamped
from agentsvc.domain.approvals import Approval, approval_of
from agentsvc.domain.chat import ChatIn, ChatOut
from agentsvc.domain.errors import NotFound
from agentsvc.domain.events import ExternalExecutionResult, UserConfirmResult
from agentsvc.domain.ids import AgentId, NewId, OwnerId, SessionId, new_id
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import BusyPolicy, Cause, Input, Messages, RunRequest, Stop, run_id_of
from agentsvc.domain.times import now
from agentsvc.services.sessions import Sessions


@dataclass(frozen=True)
class Chat:
    """Everything becomes an inbox entry plus a run request."""

    bus: MessageBus
    sessions: Sessions

    async def send(self, owner: OwnerId, data: ChatIn, new_id: NewId = new_id) -> ChatOut:
        """Keep the input and ask for a run. The same message id twice is one message.

        New ids go to messages without one, and to the run. Input without any message is the same when its run is.
        Raises NotFound for a session that is not the owner's or not of this agent, Conflict for a message id in use,
        SessionBusy when the policy does not wait for a busy one, and Overloaded while too much waits. Answers are never
        refused so, since what waits for them has begun.
        An answer has to fit what was asked, see ``check``; one that comes too late is kept and changes nothing.
        """
        if isinstance(data.input, UserConfirmResult | ExternalExecutionResult):
            request = _request(owner, data.session_id, data.agent_id, "confirm", new_id)
            return await self.answer(request, data.input, by=owner)
        await self.bus.queue.check_room(data.session_id)
        messages = _named(data.input, new_id)
        request = _request(owner, data.session_id, data.agent_id, "chat", new_id)
        entry = Messages(messages, interrupt=data.busy_policy == "interrupt")
        return await self._keep(request, entry, messages, data.busy_policy)

    async def answer(self, request: RunRequest, answer: Answer, *, by: str, in_time: bool = False) -> ChatOut:
        """Keep an answer that somebody gives. The same run twice is one answer.

        Raises what ``check`` does, and AlreadyAnswered when the answer has to be in time but is not.
        """
        asked = await self._asked(request, answer)
        check(answer, asked)
        if in_time and (known := late(answer, asked)) is not None:
            run_id = await self.bus.inbox.run_of(request.session_id, request.run_id)
            if run_id is None:
                raise already_answered(known)
            return ChatOut(status="started", session_id=request.session_id, run_id=run_id)
        return await self._keep(request, stamped(answer, by, now()), [])

    async def interrupt(
        self, owner: OwnerId, session_id: SessionId, agent_id: AgentId, stop: Stop = "now", new_id: NewId = new_id
    ) -> None:
        """Stop the reply in flight, about to begin, or parked. Without one nothing happens. Raises NotFound."""
        request = _request(owner, session_id, agent_id, "interrupt", new_id)
        accepted = await self.bus.inbox.interrupt(request, stop)
        if accepted is not None:
            await self.bus.queue.push(replace(request, run_id=accepted.run_id))

    async def _asked(self, request: RunRequest, answer: Answer) -> Sequence[Approval]:
        """The questions of the session, and those of earlier replies that the answer is to."""
        owner, session_id, agent_id = request.owner, request.session_id, request.agent_id
        try:
            asked = (await self.bus.states.get(owner, session_id, agent_id)).approvals
        except NotFound:
            await self.sessions.revive(owner, session_id, agent_id)
            asked = (await self.bus.states.get(owner, session_id, agent_id)).approvals
        known = {each.id for each in asked}
        missing = [each for each in calls_of(answer) if each not in known]
        earlier = await self.sessions.storage.of(owner).approvals.many(missing)
        # The record of a question that the session does not know is never to be answered.
        over = [approval_of(each) for each in earlier if each.session_id == session_id and not each.pending]
        return [*asked, *over]

    async def _keep(
        self, request: RunRequest, entry: Input, messages: list[Msg], policy: BusyPolicy | None = None
    ) -> ChatOut:
        accepted = await self._accept(request, entry, messages, policy)
        await self.bus.queue.push(replace(request, run_id=accepted.run_id))
        return ChatOut(status="started", session_id=request.session_id, run_id=accepted.run_id)

    async def _accept(
        self, request: RunRequest, entry: Input, messages: list[Msg], policy: BusyPolicy | None
    ) -> Accepted:
        try:
            return await self.bus.inbox.accept(request, entry, messages, policy)
        except NotFound:
            await self.sessions.revive(request.owner, request.session_id, request.agent_id)
            return await self.bus.inbox.accept(request, entry, messages, policy)


def _request(owner: OwnerId, session_id: SessionId, agent_id: AgentId, cause: Cause, new_id: NewId) -> RunRequest:
    run_id = run_id_of(session_id, new_id())
    return RunRequest(owner=owner, session_id=session_id, agent_id=agent_id, cause=cause, run_id=run_id)


def _named(given: Msg | list[Msg] | None, new_id: NewId) -> list[Msg]:
    """The messages, each with an id."""
    messages = given if isinstance(given, list) else [] if given is None else [given]
    return [message if message.id else replace(message, id=new_id()) for message in messages]
