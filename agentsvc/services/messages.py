"""Messages: the transcript of a session, page by page."""

from dataclasses import dataclass

from agentsvc.bus.bus import MessageBus
from agentsvc.domain.errors import Invalid, Problem
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.domain.sessions import MessagePage
from agentsvc.services.sessions import Sessions

_LONGEST_PAGE = 200


@dataclass(frozen=True)
class Messages:
    sessions: Sessions
    bus: MessageBus

    async def page(
        self, owner: OwnerId, session_id: SessionId, agent_id: AgentId, limit: int = 50, before: str | None = None
    ) -> MessagePage:
        """The last ``limit`` messages, or those before one, oldest first. Nothing lies before one that is not there.

        Raises NotFound, and Invalid for a limit outside 1 to 200.
        """
        if not 1 <= limit <= _LONGEST_PAGE:
            raise Invalid("limit is out of range", (Problem("limit", f"expected 1 to {_LONGEST_PAGE}"),))
        head = await self.sessions.head(owner, session_id, agent_id)
        messages, more = await self.bus.transcripts.page(session_id, limit, before)
        return MessagePage(
            messages=messages,
            is_running=head.running,
            has_more=more,
            next_cursor=messages[0].id if more and messages else None,
        )
