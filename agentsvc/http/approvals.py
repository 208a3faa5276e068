"""``/approvals``: what waits for the user in all sessions, and how it is answered."""

from typing import Annotated, Literal

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Struct

from agentsvc.domain.approvals import AnswerApproval, ApprovalRecord
from agentsvc.domain.chat import ChatOut
from agentsvc.domain.ids import SessionId
from agentsvc.http.attempts import Attempt
from agentsvc.http.documents import of_owner
from agentsvc.http.identity import UserId
from agentsvc.http.parameters import LIMIT, Cursor, Limit
from agentsvc.services.approvals import Approvals


class ApprovalList(Struct, frozen=True, kw_only=True):
    approvals: list[ApprovalRecord]
    total: int
    next_cursor: str | None


class ApprovalController(Controller):
    path = "/approvals"
    tags = ("approvals",)

    @get("/", operation_id="list_approvals", summary="List approvals", responses=of_owner(404))
    async def page(
        self,
        *,
        user_id: UserId,
        approvals: NamedDependency[Approvals],
        status: Annotated[
            Literal["pending", "all"], QueryParameter(description="Those that wait, or also those that were answered.")
        ] = "pending",
        session_id: Annotated[SessionId | None, QueryParameter(description="Only those of this session.")] = None,
        limit: Limit = LIMIT,
        cursor: Cursor = None,
    ) -> ApprovalList:
        """What waits for the user, newest first; `status=all` adds the last ones that were answered."""
        pending = status == "pending"
        page = await approvals.page(user_id, limit, cursor, session_id=session_id, pending=pending)
        return ApprovalList(approvals=page.items, total=page.total, next_cursor=page.next_cursor)

    @get("/{approval_id:str}", operation_id="get_approval", summary="Get an approval", responses=of_owner(404))
    async def show(
        self, user_id: UserId, approvals: NamedDependency[Approvals], approval_id: FromPath[str]
    ) -> ApprovalRecord:
        return await approvals.get(user_id, approval_id)

    @post(
        "/{approval_id:str}/answer",
        operation_id="answer_approval",
        summary="Answer an approval",
        status_code=200,
        responses=of_owner(404, 409, body=True),
    )
    async def answer(
        self,
        *,
        user_id: UserId,
        approvals: NamedDependency[Approvals],
        attempt: NamedDependency[Attempt],
        approval_id: FromPath[str],
        data: JSONBody[AnswerApproval],
    ) -> ChatOut:
        """Decide on a call, or deliver its result. From now on the answer is not lost; the reply goes on."""
        return await attempt.carry_out(lambda new_id: approvals.answer(user_id, approval_id, data, new_id), ChatOut)
