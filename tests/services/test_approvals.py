"""What waits for a user in all their sessions: listed, answered once, and by default when nobody does."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from agentsvc.agent.answers import EXPIRY
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.expiry import Expiry
from agentsvc.domain.agents import ApprovalConfig, CreateAgent, UpdateAgent
from agentsvc.domain.approvals import AnswerApproval, Approval
from agentsvc.domain.errors import AlreadyAnswered, Invalid, NotFound
from agentsvc.domain.events import ExternalExecutionResult, UserConfirmResult
from agentsvc.domain.ids import AgentId, SessionId, derived
from agentsvc.domain.permissions import Reason
from agentsvc.domain.runs import decode_input
from agentsvc.domain.sessions import CreateSession
from agentsvc.domain.times import later, now
from agentsvc.kv.client import Redis
from agentsvc.services.agents import Agents
from agentsvc.services.approvals import Approvals
from agentsvc.services.sessions import Sessions
from tests.approvals import answered, approval, calls_of, external, overdue, park
from tests.services.conftest import ADA, BEA

YES = AnswerApproval(confirmed=True)


@pytest.fixture
async def agent(agents: Agents) -> AgentId:
    return AgentId((await agents.create(ADA, CreateAgent(name="Ada"))).id)


@pytest.fixture
async def session(sessions: Sessions, agent: AgentId) -> SessionId:
    return SessionId((await sessions.create(ADA, CreateSession(agent_id=agent))).id)


class Asking:
    """Parks the session on questions and tells the records, as a run does."""

    def __init__(self, approvals: Approvals, agent: AgentId, session: SessionId) -> None:
        self.approvals, self.agent, self.session = approvals, agent, session

    async def __call__(self, *asked: Approval) -> None:
        await park(self.approvals.bus, ADA, self.agent, self.session, *asked)
        await self.tell(*asked)

    async def tell(self, *asked: Approval) -> None:
        await self.approvals.project(ADA, self.agent, self.session, asked, calls_of(*asked))

    async def inbox(self) -> list[Any]:
        return [decode_input(raw) for _, raw in await self.approvals.bus.inbox.waiting(self.session)]


@pytest.fixture
def ask(approvals: Approvals, agent: AgentId, session: SessionId) -> Asking:
    return Asking(approvals, agent, session)


async def test_what_waits_is_listed_and_what_was_answered_only_when_asked_for(approvals: Approvals, ask: Asking):
    await ask(approval("c1"), answered(approval("c2")), external())

    waiting = await approvals.page(ADA, 10)
    every = await approvals.page(ADA, 10, session_id=ask.session, pending=False)

    assert [each.id for each in waiting.items] == ["x1", "c1"]
    assert [(each.id, each.status) for each in every.items] == [
        ("x1", "pending"),
        ("c2", "approved"),
        ("c1", "pending"),
    ]
    assert waiting.items[1].tool_call.input == '{"command":"make"}'
    assert (waiting.items[1].session_id, waiting.items[1].agent_id) == (ask.session, ask.agent)


async def test_somebody_else_has_no_way_to_it(approvals: Approvals, ask: Asking):
    await ask(approval())

    for attempt in (
        approvals.get(BEA, "c1"),
        approvals.answer(BEA, "c1", YES),
        approvals.page(BEA, 10, session_id=ask.session),
    ):
        with pytest.raises(NotFound):
            await attempt

    assert (await approvals.page(BEA, 10)).items == []
    assert await ask.inbox() == []


async def test_an_answer_goes_the_way_of_every_message(approvals: Approvals, ask: Asking):
    await ask(approval())

    answer = await approvals.answer(ADA, "c1", YES)

    (entry,) = await ask.inbox()
    (ticket,) = await approvals.bus.queue.claim(0, "w1", 10, 10)
    assert isinstance(entry, UserConfirmResult)
    assert entry.metadata["answered_by"] == "ada"
    (result,) = entry.confirm_results
    assert (result.confirmed, result.tool_call.id, result.tool_call.input) == (True, "c1", '{"command":"make"}')
    assert ticket.request.run_id == answer.run_id
    assert ticket.request.cause == "confirm"


async def test_who_comes_too_late_is_told_who_was_faster(approvals: Approvals, ask: Asking):
    question = approval()
    await ask(question)
    over = replace(answered(question, "denied", "bob"), answered_at="2026-11-24T09:30:00+00:00")
    await park(approvals.bus, ADA, ask.agent, ask.session, over)

    with pytest.raises(AlreadyAnswered, match="denied by 'bob' at 2026-11-24T09:30:00"):
        await approvals.answer(ADA, "c1", YES)
    await ask.tell(over)
    await park(approvals.bus, ADA, ask.agent, ask.session)
    with pytest.raises(AlreadyAnswered, match="denied by 'bob'"):
        await approvals.answer(ADA, "c1", YES)

    assert await ask.inbox() == []


async def test_the_same_attempt_is_answered_the_same_also_when_its_answer_was_applied(
    approvals: Approvals, ask: Asking
):
    question = approval()
    await ask(question)
    first = await approvals.answer(ADA, "c1", YES, derived("ada", "key"))
    second = await approvals.answer(ADA, "c1", YES, derived("ada", "key"))
    assert len(await ask.inbox()) == 1
    await park(approvals.bus, ADA, ask.agent, ask.session, answered(question))
    third = await approvals.answer(ADA, "c1", YES, derived("ada", "key"))

    assert first == second == third


@pytest.mark.parametrize("asked", [[], [approval("c2", reply_id="r2")], [approval("c2")]])
async def test_a_question_that_the_session_knows_nothing_of_is_withdrawn(
    approvals: Approvals, ask: Asking, asked: list[Approval]
):
    await ask(approval())
    await park(approvals.bus, ADA, ask.agent, ask.session, *asked)

    with pytest.raises(AlreadyAnswered, match="withdrawn at"):
        await approvals.answer(ADA, "c1", YES)

    assert (await approvals.get(ADA, "c1")).status == "withdrawn"
    assert (await approvals.page(ADA, 10)).items == []
    assert await ask.inbox() == []


async def test_an_answer_of_another_kind_is_refused(approvals: Approvals, ask: Asking):
    await ask(approval(), external())

    with pytest.raises(Invalid):
        await approvals.answer(ADA, "x1", YES)

    assert await ask.inbox() == []


async def test_a_projection_can_be_cut_off_and_repeated(
    approvals: Approvals, ask: Asking, bus: RedisMessageBus, monkeypatch: pytest.MonkeyPatch
):
    async def die(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as dying:
        dying.setattr(bus.expiring, "add", die)
        with pytest.raises(ConnectionError):
            await ask.tell(overdue(approval()))
    assert await bus.expiring.due() == []

    await ask.tell(overdue(approval()))
    due = await bus.expiring.due()
    await ask.tell(answered(overdue(approval())))

    assert [each.expiry for each in due] == [Expiry(ADA, ask.session, "c1")]
    assert await bus.expiring.due() == []
    assert (await approvals.get(ADA, "c1")).status == "approved"


async def test_a_call_that_is_not_there_any_more_is_named_all_the_same(approvals: Approvals, ask: Asking):
    await approvals.project(ADA, ask.agent, ask.session, [approval()], {})

    record = await approvals.get(ADA, "c1")

    assert (record.tool_call.id, record.tool_call.name, record.tool_call.input) == ("c1", "Bash", "")


@pytest.mark.parametrize(
    ("default", "safety", "confirmed"),
    [("approve", None, True), ("approve", False, True), ("approve", True, False), ("deny", None, False)],
)
async def test_nobody_answers_and_the_default_of_the_agent_does(
    ask: Asking, agents: Agents, default: Any, safety: bool | None, confirmed: bool
):
    await agents.update(ADA, ask.agent, UpdateAgent(approval_config=ApprovalConfig(default_answer=default)))
    reason = None if safety is None else Reason(code="rule", message="It may explode.", safety=safety)
    await ask(overdue(approval(reason=reason)))

    await expire_all(ask.approvals)

    (entry,) = await ask.inbox()
    assert isinstance(entry, UserConfirmResult)
    (result,) = entry.confirm_results
    assert (result.confirmed, result.tool_call.input) == (confirmed, '{"command":"make"}')
    assert entry.metadata["answered_by"] == EXPIRY
    assert await ask.approvals.bus.expiring.due() == []


async def test_a_result_that_nobody_delivers_is_an_error(approvals: Approvals, ask: Asking):
    await ask(overdue(external()))

    await expire_all(approvals)

    (entry,) = await ask.inbox()
    assert isinstance(entry, ExternalExecutionResult)
    assert entry.execution_results[0].state == "error"
    assert "in time" in str(entry.execution_results[0].output)


async def test_a_call_that_was_confirmed_by_default_gets_a_result_by_default(
    approvals: Approvals, ask: Asking, bus: RedisMessageBus
):
    await ask(overdue(approval()))
    (first,) = await bus.expiring.due()
    await expire_all(approvals)

    await ask(overdue(approval(kind="external_execution")))
    await bus.expiring.dealt_with(first)  # whoever was late
    await expire_all(approvals)

    (entry,) = await ask.inbox()
    assert isinstance(entry, ExternalExecutionResult)


async def test_a_record_that_lags_behind_its_call_is_not_withdrawn(approvals: Approvals, ask: Asking):
    await ask(approval())
    await park(approvals.bus, ADA, ask.agent, ask.session, approval(kind="external_execution"))

    with pytest.raises(Invalid):
        await approvals.answer(ADA, "c1", YES)

    assert (await approvals.get(ADA, "c1")).status == "pending"


async def test_what_still_has_time_waits(approvals: Approvals, ask: Asking):
    await ask(approval(expires_at=later(now(), 60)), approval("c2"))

    await expire_all(approvals)

    assert await ask.inbox() == []


async def test_many_that_race_give_one_answer(approvals: Approvals, ask: Asking):
    await ask(overdue(approval()))

    await asyncio.gather(*(expire_all(approvals) for _ in range(8)))

    assert len(await ask.inbox()) == 1


@pytest.mark.parametrize("place", ["accept", "push", "dealt_with"])
async def test_who_dies_on_the_way_is_replaced_and_there_is_one_answer(
    approvals: Approvals, ask: Asking, bus: RedisMessageBus, monkeypatch: pytest.MonkeyPatch, place: str
):
    await ask(overdue(approval()))
    part: Any = {"accept": bus.inbox, "push": bus.queue, "dealt_with": bus.expiring}[place]

    async def die(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as dying:
        dying.setattr(part, place, die)
        with pytest.raises(ConnectionError):
            await expire_all(approvals)
    await expire_all(approvals)

    assert len(await ask.inbox()) == 1
    assert await bus.queue.claim(0, "w1", 10, 10)
    assert await bus.expiring.due() == []


async def test_an_answer_that_was_given_in_time_stays(approvals: Approvals, ask: Asking, bus: RedisMessageBus):
    question = overdue(approval())
    await ask(question)
    await park(bus, ADA, ask.agent, ask.session, answered(question))

    await expire_all(approvals)

    assert await ask.inbox() == []
    assert await bus.expiring.due() == []


@pytest.mark.parametrize("rubbish", [False, True])
async def test_what_cannot_be_answered_is_not_tried_for_ever(
    approvals: Approvals, ask: Asking, bus: RedisMessageBus, redis_url: str, *, rubbish: bool
):
    await ask(overdue(approval()))
    async with Redis(redis_url) as redis:
        await redis.run(*(("SET", "{o:ada}:approval:c1", "{") if rubbish else ("DEL", "{o:ada}:approval:c1")))

    await expire_all(approvals)

    assert await bus.expiring.due() == []
    assert await ask.inbox() == []


async def expire_all(approvals: Approvals) -> None:
    for due in await approvals.bus.expiring.due():
        await approvals.expire(due)
