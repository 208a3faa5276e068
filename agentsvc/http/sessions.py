"""``/sessions``: conversations, what was said in them, and what they are doing."""

from typing import Annotated

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Struct

from agentsvc.domain.ids import AgentId, NewId, SessionId
from agentsvc.domain.runs import Stop
from agentsvc.domain.sessions import (
    CreateSession,
    MessagePage,
    SessionRecord,
    SessionStatus,
    SessionView,
    UpdateSession,
)
from agentsvc.http.attempts import Attempt
from agentsvc.http.documents import of_owner
from agentsvc.http.identity import UserId
from agentsvc.http.parameters import LIMIT, Cursor, ExpectedVersion, Limit
from agentsvc.services.chat import Chat
from agentsvc.services.messages import Messages
from agentsvc.services.sessions import Sessions


class SessionList(Struct, frozen=True, kw_only=True):
    sessions: list[SessionView]
    total: int
    next_cursor: str | None


class SessionCreated(Struct, frozen=True, kw_only=True):
    session_id: SessionId


class Interrupted(Struct, frozen=True, kw_only=True):
    session_id: SessionId


class SessionController(Controller):
    path = "/sessions"
    tags = ("sessions",)

    @get("/", operation_id="list_sessions", summary="List sessions", responses=of_owner(404))
    async def page(
        self,
        user_id: UserId,
        sessions: NamedDependency[Sessions],
        agent_id: FromQuery[AgentId],
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> SessionList:
        """The sessions with an agent, newest first, without their conversations."""
        page = await sessions.page(user_id, agent_id, limit, cursor)
        return SessionList(sessions=page.items, total=page.total, next_cursor=page.next_cursor)

    @post("/", operation_id="create_session", summary="Create a session", responses=of_owner(404, 409, body=True))
    async def create(
        self,
        user_id: UserId,
        sessions: NamedDependency[Sessions],
        attempt: NamedDependency[Attempt],
        data: JSONBody[CreateSession],
    ) -> SessionCreated:
        async def create(new_id: NewId) -> SessionCreated:
            return SessionCreated(session_id=SessionId((await sessions.create(user_id, data, new_id)).id))

        return await attempt.carry_out(create, SessionCreated)

    @get("/{session_id:str}", operation_id="get_session", summary="Get a session", responses=of_owner(404))
    async def show(
        self,
        user_id: UserId,
        sessions: NamedDependency[Sessions],
        session_id: FromPath[SessionId],
        agent_id: FromQuery[AgentId],
    ) -> SessionView:
        return await sessions.get(user_id, session_id, agent_id)

    @patch(
        "/{session_id:str}",
        operation_id="update_session",
        summary="Change a session",
        responses=of_owner(404, 409, body=True),
    )
    async def update(
        self,
        *,
        user_id: UserId,
        sessions: NamedDependency[Sessions],
        session_id: FromPath[SessionId],
        agent_id: FromQuery[AgentId],
        expected_version: ExpectedVersion,
        data: JSONBody[UpdateSession],
    ) -> SessionRecord:
        """Change a session that no run holds; what is not sent stays, null clears."""
        return await sessions.update(user_id, session_id, agent_id, data, expected_version)

    @delete("/{session_id:str}", operation_id="delete_session", summary="Delete a session", responses=of_owner(404))
    async def remove(
        self,
        user_id: UserId,
        sessions: NamedDependency[Sessions],
        session_id: FromPath[SessionId],
        agent_id: FromQuery[AgentId],
    ) -> None:
        """Delete a session with its conversation; its run stops and its streams end."""
        await sessions.delete(user_id, session_id, agent_id)

    @post(
        "/{session_id:str}/interrupt",
        operation_id="interrupt_session",
        summary="Stop the reply",
        status_code=202,
        responses=of_owner(404, 409),
    )
    async def interrupt(
        self,
        *,
        user_id: UserId,
        chat: NamedDependency[Chat],
        attempt: NamedDependency[Attempt],
        session_id: FromPath[SessionId],
        agent_id: FromQuery[AgentId],
        strength: Annotated[
            Stop,
            QueryParameter(
                description="`step`: after the step in progress; `now`; `discard`: now, and the reply is forgotten."
            ),
        ] = "now",
    ) -> Interrupted:
        """Stop the reply in flight, or close the one that waits. Without either nothing happens."""

        async def interrupt(new_id: NewId) -> Interrupted:
            await chat.interrupt(user_id, session_id, agent_id, strength, new_id)
            return Interrupted(session_id=session_id)

        return await attempt.carry_out(interrupt, Interrupted)

    @get("/{session_id:str}/messages", operation_id="list_messages", summary="List messages", responses=of_owner(404))
    async def messages(
        self,
        *,
        user_id: UserId,
        messages: NamedDependency[Messages],
        session_id: FromPath[SessionId],
        agent_id: FromQuery[AgentId],
        before: Annotated[str | None, QueryParameter(description="Answer what was said before this message.")] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=200, description="How many to answer at most.")] = 50,
    ) -> MessagePage:
        """The last messages, oldest first; `next_cursor` as `before` goes further back."""
        return await messages.page(user_id, session_id, agent_id, limit, before)

    @get(
        "/{session_id:str}/status", operation_id="get_session_status", summary="Get the status", responses=of_owner(404)
    )
    async def status(
        self,
        user_id: UserId,
        sessions: NamedDependency[Sessions],
        session_id: FromPath[SessionId],
        agent_id: FromQuery[AgentId],
    ) -> SessionStatus:
        return await sessions.status(user_id, session_id, agent_id)
