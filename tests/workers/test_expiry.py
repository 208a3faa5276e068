"""Workers that race, and are killed, give one answer to a question that nobody answered in time."""

import asyncio
from contextlib import AsyncExitStack

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.domain.agents import AgentData, AgentRecord
from agentsvc.domain.sessions import SessionConfig, SessionRecord
from agentsvc.domain.times import later, now
from agentsvc.models.catalog import BUILTIN, ModelCatalog
from agentsvc.models.credentials import CredentialFactory, ModelContext
from agentsvc.models.transport import Transport
from agentsvc.services.approvals import Approvals
from agentsvc.services.chat import Chat
from agentsvc.services.removal import Removal
from agentsvc.services.sessions import Sessions
from agentsvc.storage.store import RedisStorage
from agentsvc.workers.expiry import Expiry
from tests.approvals import approval, calls_of, park
from tests.conftest import Until
from tests.runs.conftest import AGENT, OWNER, SESSION


def of(storage: RedisStorage, bus: RedisMessageBus) -> Approvals:
    catalog = ModelCatalog(CredentialFactory(*BUILTIN), ModelContext(transport=Transport()))
    return Approvals(storage, bus, Chat(bus, Sessions(storage, bus, Removal(storage, bus), catalog)))


async def test_three_workers_answer_once_when_the_time_is_up_and_stop_when_told(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(RedisStorage(redis_url))
        records = storage.of(OWNER)
        await records.agents.create(AgentRecord(user_id=OWNER, id=AGENT, data=AgentData(id=AGENT, name="Bob")))
        config = SessionConfig(name="a talk")
        await records.sessions.create(SessionRecord(user_id=OWNER, id=SESSION, agent_id=AGENT, config=config))
        question = approval(expires_at=later(now(), 0.3))
        await park(bus, OWNER, AGENT, SESSION, question)
        buses = [await stack.enter_async_context(RedisMessageBus(redis_url)) for _ in range(3)]
        stop = asyncio.Event()
        loops = [asyncio.create_task(Expiry(each, of(storage, each)).serve(stop)) for each in buses]
        await of(storage, bus).project(OWNER, AGENT, SESSION, [question], calls_of(question))

        async def quiet() -> bool:
            return bool(await bus.inbox.waiting(SESSION)) and not await bus.expiring.due()

        before = await bus.inbox.waiting(SESSION)
        await until(quiet, "the question is answered")
        stop.set()
        await asyncio.wait_for(asyncio.gather(*loops), 3)

        assert before == []
        assert len(await bus.inbox.waiting(SESSION)) == 1
