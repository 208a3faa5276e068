"""A session is retired when nobody has used it for long, and from then on nobody can."""

import pytest

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Grant
from agentsvc.domain.errors import NotFound
from agentsvc.domain.ids import SessionId
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Messages
from tests.bus.conftest import AGENT, OWNER, SESSION, Say, request

HEAD, HOUR = "{s:s1}:run", 3600.0


@pytest.fixture
async def unused(bus: RedisMessageBus) -> RedisMessageBus:
    """Its session was used last in 1970."""
    await bus._redis.run("HSET", HEAD, "at", 1)
    return bus


async def test_what_nobody_has_used_for_long_is_retired(unused: RedisMessageBus) -> None:
    assert await unused.retention.retire([SESSION], HOUR) == [(OWNER, SESSION)]


async def test_a_new_session_counts_as_used(bus: RedisMessageBus) -> None:
    assert await bus.retention.retire([SESSION], HOUR) == []


async def test_one_that_does_not_say_when_it_was_used_counts_from_the_first_look(bus: RedisMessageBus) -> None:
    await bus._redis.run("HDEL", HEAD, "at")

    assert await bus.retention.retire([SESSION], 0) == []
    assert await bus.retention.retire([SESSION], HOUR) == []
    assert await bus.retention.retire([SESSION], 0) == [(OWNER, SESSION)]


async def test_one_that_runs_is_in_use(unused: RedisMessageBus, say: Say) -> None:
    await say("Hello")
    grant = await unused.leases.take(request(), "w1")
    assert isinstance(grant, Grant)
    await unused._redis.run("DEL", "{s:s1}:inbox")
    await unused._redis.run("HSET", HEAD, "at", 1)

    assert await unused.retention.retire([SESSION], HOUR) == []

    await unused.leases.release(grant, "running")
    await unused._redis.run("HSET", HEAD, "at", 1)
    assert await unused.retention.retire([SESSION], HOUR) == []


async def test_one_that_has_something_waiting_is_in_use(unused: RedisMessageBus, say: Say) -> None:
    await say("Hello")
    await unused._redis.run("HSET", HEAD, "at", 1)

    assert await unused.retention.retire([SESSION], HOUR) == []


async def test_one_that_waits_for_an_answer_is_not(unused: RedisMessageBus) -> None:
    await unused._redis.run("HSET", HEAD, "status", "awaiting_permission")

    assert await unused.retention.retire([SESSION], HOUR) == [(OWNER, SESSION)]


async def test_nothing_can_be_sent_to_a_retired_session(unused: RedisMessageBus) -> None:
    await unused.retention.retire([SESSION], HOUR)
    message = Msg.user("Hello")

    for _ in range(2):
        with pytest.raises(NotFound):
            await unused.inbox.accept(request(), Messages([message]), [message])
        await unused.heads.create(OWNER, SESSION, AGENT)

    assert await unused.heads.many(OWNER, [SESSION]) == [None]
    assert await unused.leases.take(request(), "w1") is None


async def test_one_that_was_retired_before_is_told_again(unused: RedisMessageBus) -> None:
    await unused.retention.retire([SESSION], HOUR)

    assert await unused.retention.retire([SESSION], HOUR) == [(OWNER, SESSION)]


async def test_what_is_gone_is_not_retired(bus: RedisMessageBus) -> None:
    assert await bus.retention.retire([SessionId("gone")], 0) == []
    assert await bus._redis.run("EXISTS", "{s:gone}:run") == 0


async def test_every_session_is_found_whatever_its_name(bus: RedisMessageBus) -> None:
    names = {SESSION, "a:b", "{}", "名前", "%2f"}
    for name in names:
        await bus.heads.create(OWNER, SessionId(name), AGENT)
    await bus._redis.run("HSET", "{s:s1}:run:r1", "status", "completed")
    await bus._redis.run("SET", b"{s:\xff}x}:run", "?", "EX", 60)

    assert {name async for page in bus.retention.sessions(3) for name in page} == names
    for name in names - {SESSION}:
        await bus.heads.remove(SessionId(name))


async def test_one_sweeps_at_a_time_and_then_nobody(bus: RedisMessageBus) -> None:
    assert [await bus.retention.hold(name, HOUR) for name in ("w1", "w2", "w1")] == [True, False, True]

    for name in ("w2", "w1", "w1"):
        await bus.retention.rest(name, HOUR)

    assert [await bus.retention.hold(name, HOUR) for name in ("w1", "w2")] == [False, False]
