"""What waits only for a time is found when the time is up, by the clock of Redis."""

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.expiry import Expiry
from agentsvc.domain.ids import OwnerId, SessionId
from agentsvc.domain.times import later, now
from agentsvc.kv.client import Redis
from tests.bus.conftest import OWNER, SESSION


async def test_what_is_due_stays_until_it_is_removed(bus: RedisMessageBus):
    await bus.expiring.add(OWNER, SESSION, {"old": later(now(), -5), "older": later(now(), -9), "new": later(now(), 9)})

    twice = [[due.expiry for due in await bus.expiring.due()] for _ in range(2)]
    await bus.expiring.remove(OWNER, SESSION, ["older", "unknown"])

    assert twice[0] == twice[1] == [Expiry(OWNER, SESSION, "older"), Expiry(OWNER, SESSION, "old")]
    assert [due.expiry.approval_id for due in await bus.expiring.due()] == ["old"]


async def test_what_was_dealt_with_is_gone_unless_it_has_got_another_time(bus: RedisMessageBus):
    await bus.expiring.add(OWNER, SESSION, {"c1": later(now(), -5), "c2": later(now(), -4)})
    first, second = await bus.expiring.due()

    await bus.expiring.add(OWNER, SESSION, {"c1": later(now(), -3)})
    for due in (first, second, second):
        await bus.expiring.dealt_with(due)

    assert [due.expiry.approval_id for due in await bus.expiring.due()] == ["c1"]


async def test_the_clock_of_redis_decides(bus: RedisMessageBus, redis_url: str):
    async with Redis(redis_url) as redis:
        seconds, microseconds = await redis.run("TIME")
        at = int(seconds) * 1000 + int(microseconds) // 1000
        for wait_ms, name in ((-1, b"past"), (60_000, b"future")):
            await redis.run("ZADD", "{q:0}:expiring", at + wait_ms, b'["ada","s1","%b"]' % name)

    assert [due.expiry.approval_id for due in await bus.expiring.due()] == ["past"]


async def test_an_approval_that_is_added_again_is_one(bus: RedisMessageBus):
    for _ in range(2):
        await bus.expiring.add(OWNER, SESSION, {"c1": "2026-01-01T00:00:00.000000+00:00"})
    await bus.expiring.add(OWNER, SESSION, {})

    assert len(await bus.expiring.due()) == 1


async def test_every_shard_is_looked_at_and_what_cannot_be_read_is_dropped(redis_url: str):
    sessions = [SessionId(f"s{number}") for number in range(20)]
    async with RedisMessageBus(redis_url, shards=3) as bus, Redis(redis_url) as redis:
        for session in sessions:
            await bus.expiring.add(OwnerId("ada"), session, {"c": later(now(), -1)})
        await redis.run("ZADD", "{q:1}:expiring", 1, b"nonsense")

        assert {due.expiry.session_id for due in await bus.expiring.due()} == set(sessions)
        assert await redis.run("ZSCORE", "{q:1}:expiring", b"nonsense") is None
