"""Nothing is left of what was removed, wherever the process died."""

from typing import Any

import pytest

from agentsvc.bus.bus import MessageBus, RedisMessageBus
from agentsvc.bus.expiry import Expiring
from agentsvc.bus.heads import Heads
from agentsvc.domain.agents import CreateAgent
from agentsvc.domain.errors import NotFound
from agentsvc.domain.ids import AgentId, SessionId
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Messages, RunRequest
from agentsvc.domain.sessions import CreateSession
from agentsvc.domain.times import later, now
from agentsvc.kv.client import Redis
from agentsvc.services.agents import Agents
from agentsvc.services.approvals import Approvals
from agentsvc.services.removal import Removal
from agentsvc.services.sessions import Sessions
from agentsvc.storage.approvals import ApprovalRecords
from agentsvc.storage.store import RedisStorage
from tests.approvals import answered, approval, calls_of, overdue
from tests.services.conftest import ADA


@pytest.fixture
async def agent(agents: Agents) -> AgentId:
    return AgentId((await agents.create(ADA, CreateAgent(name="Ada"))).id)


async def talked(sessions: Sessions, bus: MessageBus, agent: AgentId) -> SessionId:
    """A session in which something was said."""
    session = SessionId((await sessions.create(ADA, CreateSession(agent_id=agent))).id)
    message = Msg.user("Hello")
    await bus.inbox.accept(RunRequest(owner=ADA, session_id=session, agent_id=agent), Messages([message]), [message])
    return session


async def test_an_agent_goes_with_all_its_sessions(
    agents: Agents, sessions: Sessions, bus: RedisMessageBus, agent: AgentId, redis_url: str
):
    other = AgentId((await agents.create(ADA, CreateAgent(name="Other"))).id)
    kept = await talked(sessions, bus, other)
    removed = [await talked(sessions, bus, agent) for _ in range(3)]

    await agents.delete(ADA, agent)

    for session in removed:
        assert await keys_of(redis_url, session) == []
    assert await keys_of(redis_url, kept) != []
    assert (await sessions.page(ADA, other, 10)).total == 1
    assert await bus.removals.overdue(-1) == []


async def test_an_agent_goes_with_sessions_whose_records_cannot_be_read(
    agents: Agents, sessions: Sessions, bus: RedisMessageBus, agent: AgentId, redis_url: str
):
    session = await talked(sessions, bus, agent)
    async with Redis(redis_url) as redis:
        await redis.run("SET", f"{{o:ada}}:session:{session}", "{rubbish")

        await agents.delete(ADA, agent)

        assert await redis.run("KEYS", "{o:ada}:session*") == []
    assert await keys_of(redis_url, session) == []


class Died(Exception):
    pass


async def test_a_removal_that_was_cut_off_is_ended_by_its_note(
    removal: Removal, sessions: Sessions, agent: AgentId, monkeypatch, redis_url: str
):
    bus = removal.bus
    session = await talked(sessions, removal.bus, agent)

    async def die(_: SessionId) -> None:
        raise Died

    with monkeypatch.context() as dying:
        dying.setattr(bus.heads, "remove", die)
        with pytest.raises(Died):
            await removal.agent(ADA, agent)
    left = await bus.removals.overdue(-1)
    for note in left:
        await removal.resume(note)

    assert len(left) == 2
    assert await keys_of(redis_url, session) == []
    assert await bus.removals.overdue(-1) == []
    with pytest.raises(NotFound):
        await removal.storage.of(ADA).agents.get(agent)


async def test_a_note_can_be_carried_out_any_number_of_times(
    removal: Removal, sessions: Sessions, bus: RedisMessageBus, agent: AgentId
):
    await talked(sessions, bus, agent)
    await bus.removals.add(b'["ada","agent","%b"]' % agent.encode())
    (note,) = await bus.removals.overdue(-1)

    for _ in range(2):
        await removal.resume(note)

    assert await bus.removals.overdue(-1) == []


async def test_a_note_that_cannot_be_read_is_dropped(removal: Removal, bus: RedisMessageBus):
    await bus.removals.add(b"nonsense")

    await removal.resume(b"nonsense")

    assert await bus.removals.overdue(-1) == []


async def test_a_session_made_while_its_agent_goes_does_not_stay(
    agents: Agents, sessions: Sessions, agent: AgentId, monkeypatch, redis_url: str
):
    create = sessions.bus.heads.create

    async def too_late(*names: Any) -> None:
        await agents.delete(ADA, agent)
        await create(*names)

    monkeypatch.setattr(sessions.bus.heads, "create", too_late)

    with pytest.raises(NotFound):
        await sessions.create(ADA, CreateSession(agent_id=agent))

    assert (await sessions.storage.of(ADA).sessions.page(10)).total == 0
    assert await keys_of(redis_url, "") == []


@pytest.fixture
async def asked(sessions: Sessions, approvals: Approvals, bus: RedisMessageBus, agent: AgentId) -> SessionId:
    """A session with approvals: one that is due, one that waits, one that was answered."""
    session = await talked(sessions, bus, agent)
    asked = [overdue(approval()), approval("c2", expires_at=later(now(), 60)), answered(approval("c3"))]
    await approvals.project(ADA, agent, session, asked, calls_of(*asked))
    return session


@pytest.mark.parametrize(("part", "name"), [(ApprovalRecords, "forget"), (Expiring, "remove"), (Heads, "remove")])
async def test_a_session_goes_with_its_approvals_wherever_the_process_dies(
    removal: Removal, asked: SessionId, monkeypatch: pytest.MonkeyPatch, part: type, name: str
):
    with monkeypatch.context() as dying:
        dying.setattr(part, name, die)
        with pytest.raises(Died):
            await removal.session(ADA, asked)
    for note in await removal.bus.removals.overdue(-1):
        await removal.resume(note)

    async with Redis(url_of(removal)) as redis:
        assert await redis.run("KEYS", "{o:ada}:*approval*") == []
        assert await redis.run("ZCARD", "{q:0}:expiring") == 0
    assert await keys_of(url_of(removal), asked) == []


def url_of(removal: Removal) -> str:
    assert isinstance(removal.storage, RedisStorage)
    return removal.storage.url


async def die(*_: object) -> None:
    raise Died


async def keys_of(redis_url: str, session: str) -> list[bytes]:
    """The live keys of a session; of all sessions when none is named."""
    async with Redis(redis_url) as redis:
        found: list[bytes] = await redis.run("KEYS", "{s:" + (session or "*") + "}:*")
        return found
