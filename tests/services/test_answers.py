"""An answer that comes by chat is bound to what was asked before it is kept."""

import pytest
from msgspec.structs import replace

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Grant
from agentsvc.domain.agents import CreateAgent
from agentsvc.domain.answers import Answer
from agentsvc.domain.chat import ChatIn
from agentsvc.domain.errors import Conflict, Invalid, NotFound
from agentsvc.domain.ids import AgentId, OwnerId, SessionId, derived
from agentsvc.domain.runs import RunRequest, decode_input
from agentsvc.domain.sessions import CreateSession
from agentsvc.domain.times import now
from agentsvc.services.agents import Agents
from agentsvc.services.approvals import Approvals
from agentsvc.services.chat import Chat
from agentsvc.services.sessions import Sessions
from tests.approvals import answered, approval, calls_of, confirm, executed, external, park
from tests.services.conftest import ADA, BEA


@pytest.fixture
async def agent(agents: Agents) -> AgentId:
    return AgentId((await agents.create(ADA, CreateAgent(name="Ada"))).id)


@pytest.fixture
async def session(sessions: Sessions, agent: AgentId) -> SessionId:
    return SessionId((await sessions.create(ADA, CreateSession(agent_id=agent))).id)


async def inbox(bus: RedisMessageBus, session: SessionId) -> list[object]:
    return [decode_input(raw) for _, raw in await bus.inbox.waiting(session)]


@pytest.mark.parametrize("answer", [confirm(), executed()])
async def test_an_answer_is_kept_with_who_gave_it(
    chat: Chat, bus: RedisMessageBus, agent: AgentId, session: SessionId, answer: Answer
):
    await park(bus, ADA, agent, session, approval(), external())
    claimed = replace(answer, metadata={"answered_by": "expiry", "tab": 2})
    before = now()

    await chat.send(ADA, ChatIn(agent_id=agent, session_id=session, input=claimed))

    (kept,) = await inbox(bus, session)
    assert isinstance(kept, type(answer))
    assert (kept.metadata["answered_by"], kept.metadata["tab"]) == ("ada", 2)
    assert before <= kept.metadata["answered_at"] <= now()
    assert replace(kept, metadata={}) == answer


@pytest.mark.parametrize("answer", [confirm(reply_id="r9"), confirm("c9"), confirm(name="Read"), executed("c1")])
async def test_an_answer_to_something_else_is_refused_and_leaves_nothing(
    chat: Chat, bus: RedisMessageBus, agent: AgentId, session: SessionId, answer: Answer
):
    await park(bus, ADA, agent, session, approval())

    with pytest.raises(Invalid):
        await chat.send(ADA, ChatIn(agent_id=agent, session_id=session, input=answer))

    assert await inbox(bus, session) == []
    assert await bus.queue.claim(0, "w1", 10, 10) == []


async def test_an_answer_while_the_run_still_asks_is_kept(
    chat: Chat, bus: RedisMessageBus, agent: AgentId, session: SessionId
):
    await park(bus, ADA, agent, session, approval())
    await chat.send(ADA, ChatIn(agent_id=agent, session_id=session, input=None))
    holding = await bus.leases.take(RunRequest(owner=ADA, session_id=session, agent_id=agent), "w1")

    assert isinstance(holding, Grant)

    answer = await chat.send(ADA, ChatIn(agent_id=agent, session_id=session, input=confirm()))

    assert answer.run_id == holding.run_id


async def test_a_second_answer_is_kept_for_nothing(
    chat: Chat, bus: RedisMessageBus, agent: AgentId, session: SessionId
):
    await park(bus, ADA, agent, session, answered(approval()))

    answer = await chat.send(ADA, ChatIn(agent_id=agent, session_id=session, input=confirm()))

    assert answer.status == "started"


async def test_an_answer_that_comes_after_the_reply_has_ended_is_kept_for_nothing(
    chat: Chat, bus: RedisMessageBus, approvals: Approvals, agent: AgentId, session: SessionId
):
    over = answered(approval())
    await approvals.project(ADA, agent, session, [over], calls_of(over))
    await park(bus, ADA, agent, session, approval("c2", reply_id="r2"))

    answer = await chat.send(ADA, ChatIn(agent_id=agent, session_id=session, input=confirm()))

    assert answer.status == "started"


async def test_an_answer_in_another_session_than_the_question_is_refused(
    chat: Chat, sessions: Sessions, approvals: Approvals, agent: AgentId, session: SessionId
):
    over = answered(approval())
    await approvals.project(ADA, agent, session, [over], calls_of(over))
    other = SessionId((await sessions.create(ADA, CreateSession(agent_id=agent))).id)

    with pytest.raises(Conflict):
        await chat.send(ADA, ChatIn(agent_id=agent, session_id=other, input=confirm()))


async def test_an_answer_where_nothing_was_asked_is_a_conflict(chat: Chat, agent: AgentId, session: SessionId):
    with pytest.raises(Conflict, match="nothing in this session waits"):
        await chat.send(ADA, ChatIn(agent_id=agent, session_id=session, input=confirm()))


@pytest.mark.parametrize("owner", [ADA, BEA])
async def test_an_answer_to_what_is_not_there_or_somebody_elses_is_not_found(
    chat: Chat, bus: RedisMessageBus, agent: AgentId, session: SessionId, owner: OwnerId
):
    await park(bus, ADA, agent, session, approval())
    asked = SessionId("none") if owner == ADA else session

    with pytest.raises(NotFound):
        await chat.send(owner, ChatIn(agent_id=agent, session_id=asked, input=confirm("c9")))


async def test_the_same_attempt_twice_is_one_answer(
    chat: Chat, bus: RedisMessageBus, agent: AgentId, session: SessionId
):
    await park(bus, ADA, agent, session, approval())
    data = ChatIn(agent_id=agent, session_id=session, input=confirm())

    answers = [await chat.send(ADA, data, derived("ada", "key")) for _ in range(2)]

    assert answers[0] == answers[1]
    assert len(await inbox(bus, session)) == 1
