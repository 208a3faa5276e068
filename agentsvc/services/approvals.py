"""Approvals: what waits for a user in all their sessions, and what becomes of it when nobody answers."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from agentsvc.agent.answers import EXPIRY
from agentsvc.bus.bus import MessageBus
from agentsvc.bus.expiry import Due
from agentsvc.domain.answers import already_answered, answer_to
from agentsvc.domain.approvals import AnswerApproval, Approval, ApprovalRecord, approval_of, recorded
from agentsvc.domain.chat import ChatOut
from agentsvc.domain.errors import AgentServiceError, AlreadyAnswered, Conflict, Invalid, NotFound
from agentsvc.domain.ids import AgentId, NewId, OwnerId, RunId, SessionId, derived, new_id
from agentsvc.domain.messages import ToolCallBlock
from agentsvc.domain.records import Page
from agentsvc.domain.runs import RunRequest, run_id_of
from agentsvc.domain.times import now
from agentsvc.services.chat import Chat
from agentsvc.storage.store import StorageBase

log = logging.getLogger(__name__)

_UNDELIVERED = "Nobody delivered a result of this call in time."
_LAGS = (0.02, 0.08, 0.2)  # seconds after which a record is looked for again


@dataclass(frozen=True)
class Approvals:
    """Records that follow the states of the sessions. Raises NotFound for what is not there or somebody else's."""

    storage: StorageBase
    bus: MessageBus
    chat: Chat

    async def get(self, owner: OwnerId, approval_id: str) -> ApprovalRecord:
        """The record of a question is made after its event, which a client may know already: it is waited for."""
        for lag in _LAGS:
            try:
                return await self._get(owner, approval_id)
            except NotFound:
                await asyncio.sleep(lag)
        return await self._get(owner, approval_id)

    async def _get(self, owner: OwnerId, approval_id: str) -> ApprovalRecord:
        return await self.storage.of(owner).approvals.get(approval_id)

    async def page(
        self,
        owner: OwnerId,
        limit: int,
        cursor: str | None = None,
        *,
        session_id: SessionId | None = None,
        pending: bool = True,
    ) -> Page[ApprovalRecord]:
        """Newest first: those that wait, or with them the last ones that were answered; of one session, or of all."""
        records = self.storage.of(owner)
        if session_id is not None:
            await records.sessions.get(session_id)
        if pending:
            return await records.approvals.page_pending(limit, cursor, within=session_id)
        return await records.approvals.page(limit, cursor, within=session_id)

    async def answer(self, owner: OwnerId, approval_id: str, given: AnswerApproval, new_id: NewId = new_id) -> ChatOut:
        """Answer as the user, as a message to the session would. The same new id is the same answer.

        Raises Invalid for an answer of another kind, AlreadyAnswered when it is too late.
        """
        record = await self.get(owner, approval_id)
        return await self._answer(record, given, by=owner, run_id=run_id_of(record.session_id, new_id()))

    async def project(
        self,
        owner: OwnerId,
        agent_id: AgentId,
        session_id: SessionId,
        approvals: Sequence[Approval],
        calls: Mapping[str, ToolCallBlock],
    ) -> None:
        """Bring the records up to what the state of a session says; ``calls`` by their ids. May be repeated.

        What was answered is final, whoever comes late with an older state. Nothing is kept of a session that is gone.
        """
        if not approvals:
            return
        records = [recorded(owner, agent_id, session_id, each, calls.get(each.id) or _lost(each)) for each in approvals]
        # The records first: an approval that is due and has none is taken for one of a session that is gone.
        if not await self.storage.of(owner).approvals.project(session_id, records):
            return
        until = {each.id: each.expires_at for each in approvals if each.status == "pending" and each.expires_at}
        over = [each.id for each in approvals if each.status != "pending" and each.expires_at]
        await self.bus.expiring.add(owner, session_id, until)
        await self.bus.expiring.remove(owner, session_id, over)

    async def expire(self, due: Due) -> None:
        """Give the default answer, once, to an approval whose time is up, and forget that it was due."""
        expiry = due.expiry
        try:
            record = await self._get(expiry.owner, expiry.approval_id)
            given = await self._default(record)
            run_id = run_id_of(record.session_id, derived("expiry", record.session_id, record.id, record.kind)())
            await self._answer(record, given, by=EXPIRY, run_id=run_id)
        except (NotFound, Conflict, Invalid) as error:  # gone or answered in the meantime
            log.info("session %s: approval %s stays as it is: %s", expiry.session_id, expiry.approval_id, error.detail)
        except AgentServiceError:
            log.exception("session %s: nobody can answer approval %s", expiry.session_id, expiry.approval_id)
        await self.bus.expiring.dealt_with(due)

    async def _answer(self, record: ApprovalRecord, given: AnswerApproval, *, by: str, run_id: RunId) -> ChatOut:
        request = RunRequest(
            owner=record.user_id,
            session_id=record.session_id,
            agent_id=record.agent_id,
            cause="confirm",
            run_id=run_id,
        )
        answer = answer_to(record, given)
        try:
            return await self.chat.answer(request, answer, by=by, in_time=True)
        except AlreadyAnswered:
            raise
        except (Conflict, Invalid):
            state = await self.bus.states.get(record.user_id, record.session_id, record.agent_id)
            if any(each.id == record.id for each in state.approvals):
                raise
            # The session has lost its state, and with it the question.
            over = replace(approval_of(record), status="withdrawn", answered_at=now())
            calls = {record.id: record.tool_call}
            await self.project(record.user_id, record.agent_id, record.session_id, [over], calls)
            raise already_answered(over) from None

    async def _default(self, record: ApprovalRecord) -> AnswerApproval:
        """As the agent is configured now; what is asked for the sake of safety is never approved without a person."""
        if record.kind == "external_execution":
            return AnswerApproval(output=_UNDELIVERED, state="error")
        agent = await self.storage.of(record.user_id).agents.get(record.agent_id)
        safety = record.reason is not None and record.reason.safety
        return AnswerApproval(confirmed=agent.data.approval_config.default_answer == "approve" and not safety)


def _lost(approval: Approval) -> ToolCallBlock:
    """In the place of a call that the context does not hold any more."""
    return ToolCallBlock(id=approval.id, name=approval.tool_name)
