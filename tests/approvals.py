"""A session that waits for answers, as a run leaves it."""

from typing import Any

import msgspec

from agentsvc.bus.bus import MessageBus, RedisMessageBus
from agentsvc.bus.leases import Entry, Grant
from agentsvc.domain.approvals import Approval, recorded
from agentsvc.domain.events import ConfirmResult, ExternalExecutionResult, UserConfirmResult
from agentsvc.domain.ids import AgentId, OwnerId, SessionId, new_id
from agentsvc.domain.messages import ToolCallBlock, ToolCallState, ToolResultBlock
from agentsvc.domain.runs import Messages, RunRequest
from agentsvc.domain.states import AgentState, ReplyContext
from agentsvc.domain.times import later, now
from agentsvc.storage.store import RedisStorage

REPLY = "r1"


def approval(call_id: str = "c1", **fields: Any) -> Approval:
    given = {"reply_id": REPLY, "kind": "confirmation", "tool_name": "Bash", "asked_at": now(), **fields}
    return Approval(id=call_id, **given)


def external(call_id: str = "x1", **fields: Any) -> Approval:
    return approval(call_id, kind="external_execution", tool_name="Camera", **fields)


def answered(question: Approval, status: str = "approved", by: str = "ada") -> Approval:
    return msgspec.structs.replace(question, status=status, answered_by=by, answered_at=now())


def overdue(question: Approval) -> Approval:
    """Since a moment ago."""
    return msgspec.structs.replace(question, expires_at=later(now(), -0.1))


def call_of(question: Approval, arguments: str = '{"command":"make"}') -> ToolCallBlock:
    state: ToolCallState = "asking" if question.kind == "confirmation" else "submitted"
    return ToolCallBlock(id=question.id, name=question.tool_name, input=arguments, state=state)


def calls_of(*questions: Approval) -> dict[str, ToolCallBlock]:
    return {each.id: call_of(each) for each in questions}


def confirm(call_id: str = "c1", reply_id: str = REPLY, *, name: str = "Bash", **fields: Any) -> UserConfirmResult:
    given = {"confirmed": True, "tool_call": ToolCallBlock(id=call_id, name=name, input="{}"), **fields}
    return UserConfirmResult(reply_id=reply_id, confirm_results=[ConfirmResult(**given)])


def executed(call_id: str = "x1", reply_id: str = REPLY, *, name: str = "Camera") -> ExternalExecutionResult:
    block = ToolResultBlock(id=call_id, name=name, output="a cat", state="success")
    return ExternalExecutionResult(reply_id=reply_id, execution_results=[block])


async def park(bus: MessageBus, owner: OwnerId, agent_id: AgentId, session_id: SessionId, *questions: Approval) -> None:
    """Leave the session with these questions in its state, waiting."""
    request = RunRequest(owner=owner, session_id=session_id, agent_id=agent_id)
    await bus.inbox.accept(request, Messages([]))
    grant = await bus.leases.take(request, "w1")
    assert isinstance(grant, Grant)
    state = AgentState(session_id=session_id, reply_context=ReplyContext(reply_id=REPLY), approvals=list(questions))
    done = [entry for entry, _ in grant.inbox]
    await bus.leases.write(grant, grant.seq + 1, [], Entry(done=done, state=msgspec.json.encode(state)))
    await bus.leases.release(grant, "awaiting_permission")


async def ask(redis_url: str, owner: OwnerId, agent_id: AgentId, session_id: SessionId, **fields: Any) -> str:
    """Park a session of a service that runs on this Redis on one question: its id."""
    question = approval(new_id(), **fields)
    async with RedisStorage(redis_url) as storage, RedisMessageBus(redis_url) as bus:
        await park(bus, owner, agent_id, session_id, question)
        record = recorded(owner, agent_id, session_id, question, call_of(question))
        await storage.of(owner).approvals.project(session_id, [record])
    return question.id
