"""What a session remembers is read from its state, for its owner and its agent alone."""

import pytest

from agentsvc.bus import keys
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.domain.errors import NotFound
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.kv.client import Redis
from tests.approvals import answered, approval, park
from tests.bus.conftest import AGENT, OWNER, SESSION


async def test_the_questions_of_a_session_are_those_of_its_state(bus: RedisMessageBus):
    before = await bus.states.get(OWNER, SESSION, AGENT)
    asked = [approval("c1"), answered(approval("c2"))]

    await park(bus, OWNER, AGENT, SESSION, *asked)

    assert before.approvals == []
    assert (await bus.states.get(OWNER, SESSION, AGENT)).approvals == asked


@pytest.mark.parametrize(
    "names",
    [(OwnerId("bob"), SESSION, AGENT), (OWNER, SESSION, AgentId("a2")), (OWNER, SessionId("none"), AGENT)],
)
async def test_nobody_else_learns_of_it(bus: RedisMessageBus, names: tuple[OwnerId, SessionId, AgentId]):
    await park(bus, OWNER, AGENT, SESSION, approval())

    with pytest.raises(NotFound):
        await bus.states.get(*names)


async def test_a_state_that_cannot_be_read_asks_nothing(bus: RedisMessageBus, redis_url: str):
    async with Redis(redis_url) as redis:
        await redis.run("SET", keys.of_session(SESSION).state, b"{rubbish")

    assert (await bus.states.get(OWNER, SESSION, AGENT)).approvals == []
