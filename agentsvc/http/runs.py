"""``/runs`` and ``/sessions/{id}/runs``: what agents were asked for, and what became of it."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from msgspec import Struct

from agentsvc.domain.ids import AgentId, RunId, SessionId
from agentsvc.domain.runs import RunView
from agentsvc.http.documents import of_owner
from agentsvc.http.identity import UserId
from agentsvc.http.parameters import LIMIT, Cursor, Limit
from agentsvc.services.runs import Runs


class RunList(Struct, frozen=True, kw_only=True):
    runs: list[RunView]
    total: int
    next_cursor: str | None


class RunController(Controller):
    tags = ("runs",)

    @get("/sessions/{session_id:str}/runs", operation_id="list_runs", summary="List runs", responses=of_owner(404))
    async def page(
        self,
        *,
        user_id: UserId,
        runs: NamedDependency[Runs],
        session_id: FromPath[SessionId],
        agent_id: Annotated[AgentId | None, QueryParameter(description="The agent of the session.")] = None,
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> RunList:
        """The runs of a session, newest first: those that wait or go on, and those that have ended not too long ago."""
        page = await runs.page(user_id, session_id, limit, cursor, agent_id=agent_id)
        return RunList(runs=page.items, total=page.total, next_cursor=page.next_cursor)

    @get("/runs/{run_id:str}", operation_id="get_run", summary="Get a run", responses=of_owner(404))
    async def show(self, user_id: UserId, runs: NamedDependency[Runs], run_id: FromPath[RunId]) -> RunView:
        """One run as it stands."""
        return await runs.get(user_id, run_id)
