"""Chat: what a user says to an agent, and the wish that it stops. Nothing here waits for an agent."""

from dataclasses import dataclass

from msgspec.structs import replace

from agentsvc.bus.bus import MessageBus
from agentsvc.bus.inbox import Accepted
from agentsvc.domain.chat import ChatIn, ChatInput, ChatOut
from agentsvc.domain.errors import NotFound
from agentsvc.domain.events import UserInterrupt
from agentsvc.domain.ids import AgentId, NewId, OwnerId, RunId, SessionId, new_id
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Input, Messages, RunRequest
from agentsvc.services.sessions import Sessions


@dataclass(frozen=True)
class Chat:
    """Everything becomes an inbox entry plus a run request."""

    bus: MessageBus
    sessions: Sessions

    async def send(self, owner: OwnerId, data: ChatIn, new_id: NewId = new_id) -> ChatOut:
        """Keep the input and ask for a run. The same message id twice is one message.

        New ids go to messages without one, and to the run. Input without any message is the same when its run is.
        Raises NotFound for a session that is not the owner's or not of this agent, Conflict for a message id in use.
        """
        messages, entry = _parts(data.input, new_id)
        request = RunRequest(
            owner=owner,
            session_id=data.session_id,
            agent_id=data.agent_id,
            cause="chat" if isinstance(entry, Messages) else "confirm",
            run_id=RunId(new_id()),
        )
        accepted = await self._accept(request, entry, messages)
        await self.bus.queue.push(replace(request, run_id=accepted.run_id))
        return ChatOut(status="started", session_id=data.session_id, run_id=accepted.run_id)

    async def interrupt(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId, new_id: NewId = new_id) -> None:
        """Stop the reply in flight, about to begin, or parked. Without one nothing happens. Raises NotFound."""
        run_id = RunId(new_id())
        request = RunRequest(owner=owner, session_id=session_id, agent_id=agent_id, cause="interrupt", run_id=run_id)
        accepted = await self.bus.inbox.interrupt(request, UserInterrupt(reply_id=""))
        if accepted is not None:
            await self.bus.queue.push(replace(request, run_id=accepted.run_id))

    async def _accept(self, request: RunRequest, entry: Input, messages: list[Msg]) -> Accepted:
        try:
            return await self.bus.inbox.accept(request, entry, messages)
        except NotFound:
            await self.sessions.revive(request.owner, request.session_id, request.agent_id)
            return await self.bus.inbox.accept(request, entry, messages)


def _parts(given: ChatInput, new_id: NewId) -> tuple[list[Msg], Input]:
    """What the transcript keeps, and what the agent is given."""
    match given:
        case None:
            return [], Messages([])
        case Msg():
            return _parts([given], new_id)
        case list():
            messages = [message if message.id else replace(message, id=new_id()) for message in given]
            return messages, Messages(messages)
        case _:
            return [], given
