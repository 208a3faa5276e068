"""What nobody uses is removed, by one of many workers, wherever the one before died; what is used stays."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.heads import Heads
from agentsvc.bus.notes import Notes
from agentsvc.domain.agents import AgentData, AgentRecord
from agentsvc.domain.approvals import recorded
from agentsvc.domain.errors import NotFound
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Messages, RunRequest
from agentsvc.domain.sessions import SessionConfig, SessionRecord
from agentsvc.services.removal import Removal
from agentsvc.storage.approvals import ApprovalRecords
from agentsvc.storage.collection import Collection
from agentsvc.storage.store import RedisStorage
from agentsvc.workers.retention import Retention
from tests.approvals import approval, call_of
from tests.conftest import Until

ADA, AGENT = OwnerId("ada"), AgentId("a1")
HOUR = 3600.0


@pytest.fixture
async def storage(redis_url: str) -> AsyncIterator[RedisStorage]:
    async with RedisStorage(redis_url) as opened:
        yield opened


@pytest.fixture
async def buses(redis_url: str) -> AsyncIterator[list[RedisMessageBus]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(RedisMessageBus(redis_url)) for _ in range(3)]


class Sweepers:
    """One for each bus, at work until they are told to stop."""

    def __init__(self, storage: RedisStorage, buses: list[RedisMessageBus], keep_s: float = HOUR) -> None:
        self.stop = asyncio.Event()
        self.tasks = [
            asyncio.create_task(Retention(bus, Removal(storage, bus), keep_s).serve(self.stop)) for bus in buses
        ]

    async def end(self) -> None:
        self.stop.set()
        await asyncio.wait_for(asyncio.gather(*self.tasks), 5)


async def session(storage: RedisStorage, bus: RedisMessageBus, name: str, *, used_ms: int | None = None) -> SessionId:
    record = SessionRecord(user_id=ADA, id=name, agent_id=AGENT, config=SessionConfig(name=name))
    await storage.of(ADA).sessions.create(record)
    await bus.heads.create(ADA, SessionId(name), AGENT)
    await bus._redis.run("HSET", f"{{s:{name}}}:messages", "m1", "{}")
    if used_ms is not None:
        await bus._redis.run("HSET", f"{{s:{name}}}:run", "at", used_ms)
    return SessionId(name)


async def names_of(storage: RedisStorage) -> set[str]:
    return {record.id for record in (await storage.of(ADA).sessions.page(1000)).items}


async def test_what_nobody_uses_is_removed_and_what_is_used_stays(
    storage: RedisStorage, buses: list[RedisMessageBus], until: Until
) -> None:
    await storage.of(ADA).agents.create(AgentRecord(user_id=ADA, id=AGENT, data=AgentData(id=AGENT, name="Bob")))
    for number in range(20):
        await session(storage, buses[0], f"old{number}", used_ms=1)
    await session(storage, buses[0], "new")

    sweepers = Sweepers(storage, buses)

    async def swept() -> bool:
        return await names_of(storage) == {"new"}

    await until(swept, "only what is used is there")
    await sweepers.end()
    assert {key async for keys in buses[0]._redis.scan("{s:*") for key in keys} == {b"{s:new}:run", b"{s:new}:messages"}
    assert await buses[0].removals.overdue(-1) == []
    assert await buses[0]._redis.run("PTTL", "{q:0}:sweeping") > 0


async def test_what_a_worker_left_half_removed_is_removed_by_the_next(
    storage: RedisStorage, buses: list[RedisMessageBus], until: Until
) -> None:
    await session(storage, buses[0], "old", used_ms=1)
    assert await buses[0].retention.retire([SessionId("old")], HOUR)

    sweepers = Sweepers(storage, buses[1:])

    async def gone() -> bool:
        return not await names_of(storage)

    await until(gone, "it is removed")
    await sweepers.end()


class Died(Exception):
    pass


async def die(*_: object, **__: object) -> None:
    raise Died


@pytest.mark.parametrize(
    "step", [(Notes, "add"), (Collection, "delete"), (ApprovalRecords, "forget"), (Heads, "remove")]
)
async def test_it_is_removed_wherever_the_sweeper_dies(
    storage: RedisStorage,
    buses: list[RedisMessageBus],
    monkeypatch: pytest.MonkeyPatch,
    until: Until,
    step: tuple[type, str],
) -> None:
    old = await session(storage, buses[0], "old", used_ms=1)
    question = approval()
    record = recorded(ADA, AGENT, old, question, call_of(question))
    assert await storage.of(ADA).approvals.project(old, [record])
    with monkeypatch.context() as dying:
        dying.setattr(*step, die)
        ((owner, session_id),) = await buses[0].retention.retire([old], HOUR)
        with pytest.raises(Died):
            await Removal(storage, buses[0]).session(owner, session_id)

    sweepers = Sweepers(storage, buses[1:])

    async def gone() -> bool:
        return not [key async for keys in buses[0]._redis.scan("*old*") for key in keys]

    await until(gone, "nothing of it is there")
    await sweepers.end()
    assert await storage.of(ADA).approvals.many(["c1"]) == []
    assert await buses[0].removals.overdue(-1) == []


async def test_one_that_is_used_between_look_and_removal_is_not_removed(
    storage: RedisStorage, buses: list[RedisMessageBus], monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    bus = buses[0]
    used, old = await session(storage, bus, "used", used_ms=1), await session(storage, bus, "old", used_ms=1)
    retire = bus.retention.retire

    async def late(session_ids: list[SessionId], unused_s: float) -> list[tuple[OwnerId, SessionId]]:
        message = Msg.user("I am back")
        request = RunRequest(owner=ADA, session_id=used, agent_id=AGENT)
        await bus.inbox.accept(request, Messages([message]), [message])
        return await retire(session_ids, unused_s)

    monkeypatch.setattr(bus.retention, "retire", late)
    sweepers = Sweepers(storage, [bus])

    async def gone() -> bool:
        return old not in await names_of(storage)

    await until(gone, "the other one is removed")
    await sweepers.end()
    assert await names_of(storage) == {used}
    assert len(await bus.inbox.waiting(used)) == 1


async def test_one_that_is_being_removed_is_gone_for_whoever_uses_it(
    storage: RedisStorage, buses: list[RedisMessageBus], monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    bus, refused = buses[0], asyncio.Event()
    await session(storage, bus, "old", used_ms=1)
    remove = Heads.remove

    async def late(heads: Heads, session_id: SessionId) -> None:
        message, request = Msg.user("Too late"), RunRequest(owner=ADA, session_id=session_id, agent_id=AGENT)
        await bus.heads.create(ADA, session_id, AGENT)
        with pytest.raises(NotFound):
            await bus.inbox.accept(request, Messages([message]), [message])
        refused.set()
        await remove(heads, session_id)

    monkeypatch.setattr(Heads, "remove", late)
    sweepers = Sweepers(storage, [bus])

    await until(refused.is_set, "what was said is refused")
    await sweepers.end()
    assert await bus._redis.run("KEYS", "{s:old}*") == []


async def test_a_sweeper_that_dies_is_replaced_and_one_that_is_done_is_not(
    storage: RedisStorage, buses: list[RedisMessageBus], monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    assert await buses[0].retention.hold("dead", 0.2)
    await session(storage, buses[0], "old", used_ms=1)
    monkeypatch.setattr("agentsvc.workers.retention._LOOK", 0.05)

    sweepers = Sweepers(storage, buses)

    async def resting() -> bool:
        return bool(await buses[0]._redis.run("GET", "{q:0}:sweeping") == b"-")

    await until(resting, "another one has swept")
    assert await names_of(storage) == set()
    await session(storage, buses[0], "late", used_ms=1)
    await asyncio.gather(*(bus.retention.hold(bus.worker, 1) for bus in buses))
    await sweepers.end()
    assert await names_of(storage) == {"late"}
