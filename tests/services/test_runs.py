"""Runs are listed for the owner of their session, also when nothing has run in it."""

import pytest

from agentsvc.bus import keys
from agentsvc.domain.agents import CreateAgent
from agentsvc.domain.errors import NotFound
from agentsvc.domain.ids import AgentId, SessionId
from agentsvc.domain.sessions import CreateSession
from agentsvc.services.agents import Agents
from agentsvc.services.runs import Runs
from agentsvc.services.sessions import Sessions
from tests.recorded_runs import record
from tests.redis_kinds.clients import connected
from tests.services.conftest import ADA, BEA


@pytest.fixture
def runs(sessions: Sessions) -> Runs:
    return Runs(sessions.storage, sessions.bus)


@pytest.fixture
async def session(agents: Agents, sessions: Sessions) -> tuple[SessionId, AgentId]:
    agent_id = AgentId((await agents.create(ADA, CreateAgent(name="Bob"))).id)
    record = await sessions.create(ADA, CreateSession(agent_id=agent_id))
    return SessionId(record.id), agent_id


async def test_the_runs_of_a_session_are_listed_and_found(
    runs: Runs, session: tuple[SessionId, AgentId], redis_url: str
):
    session_id, agent_id = session
    run_id = record(redis_url, session_id)

    page = await runs.page(ADA, session_id, 10, agent_id=agent_id)

    assert [run.id for run in page.items] == [run_id]
    assert await runs.get(ADA, run_id) == page.items[0]


async def test_a_session_whose_head_was_never_made_has_no_runs(
    runs: Runs, session: tuple[SessionId, AgentId], redis_url: str
):
    session_id, agent_id = session
    with connected(redis_url) as client:
        client.delete(keys.of_session(session_id).head)

    page = await runs.page(ADA, session_id, 10)

    assert (page.items, page.total, page.next_cursor) == ([], 0, None)
    with pytest.raises(NotFound):
        await runs.page(ADA, session_id, 10, agent_id=AgentId("another"))
    with pytest.raises(NotFound):
        await runs.page(BEA, session_id, 10, agent_id=agent_id)


async def test_another_owner_has_no_way_to_them(runs: Runs, session: tuple[SessionId, AgentId], redis_url: str):
    session_id, _ = session
    run_id = record(redis_url, session_id)

    with pytest.raises(NotFound):
        await runs.get(BEA, run_id)
    with pytest.raises(NotFound):
        await runs.page(BEA, session_id, 10)
