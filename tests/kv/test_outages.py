"""A server that is away, full or read-only for a while costs patience; one that stays so is said to be unreachable."""

import asyncio
from collections.abc import Callable, Generator

import pytest
import redis

from agentsvc.kv.client import Redis
from agentsvc.kv.errors import Unreachable
from agentsvc.kv.patience import Patience, spread
from tests.conftest import Until
from tests.kv.conftest import ears
from tests.redis_kinds.server import Server
from tests.redis_kinds.standalone import standalone

Change = Callable[[redis.Redis], object]


@pytest.fixture
def server() -> Generator[Server]:
    with standalone(tcp=True, aof=True) as started:
        yield started


def filled(operator: redis.Redis) -> object:
    return operator.config_set("maxmemory", "1")


def emptied(operator: redis.Redis) -> object:
    return operator.config_set("maxmemory", "0")


def demoted(operator: redis.Redis) -> object:
    return operator.replicaof("127.0.0.1", "1")


def promoted(operator: redis.Redis) -> object:
    return operator.replicaof("NO", "ONE")


def lonely(operator: redis.Redis) -> object:
    return operator.config_set("min-replicas-to-write", 1)


def sociable(operator: redis.Redis) -> object:
    return operator.config_set("min-replicas-to-write", 0)


CHANGES = pytest.mark.parametrize(
    ("worse", "better"),
    [(filled, emptied), (demoted, promoted), (lonely, sociable)],
    ids=["full", "read-only", "without replicas"],
)


@CHANGES
async def test_a_write_waits_until_it_can_be_done(server: Server, until: Until, worse: Change, better: Change) -> None:
    with redis.Redis.from_url(server.url) as operator:
        async with Redis(server.url, patience=20) as client:
            worse(operator)
            refused = errors_of(operator)
            writing = asyncio.create_task(client.run("INCR", "k"))
            await until(lambda: errors_of(operator) > refused + 1, "it was refused, and tried again")
            better(operator)

            assert await writing == 1


@CHANGES
async def test_what_cannot_be_written_can_be_read(server: Server, worse: Change, better: Change) -> None:
    with redis.Redis.from_url(server.url) as operator:
        async with Redis(server.url, patience=0.1) as client:
            await client.run("SET", "k", "kept")
            worse(operator)
            with pytest.raises(Unreachable):
                await client.run("SET", "k", "lost")

            assert await client.run("GET", "k") == b"kept"
            better(operator)


def errors_of(operator: redis.Redis) -> int:
    return int(operator.info("stats")["total_error_replies"])


async def test_a_restart_is_waited_for_by_who_asks_and_by_who_listens(server: Server, until: Until) -> None:
    async with Redis(server.url, patience=20) as client, ears(client) as heard:
        await heard.open_for(b"{s:s1}")
        await client.run("SET", "k", "kept")
        server.kill()
        asking = asyncio.create_task(client.run("GET", "k"))
        await until(lambda: not heard.subscriber.connected, "it is known that nothing is heard")

        await asyncio.to_thread(server.start)

        assert await asking == b"kept"
        await until(lambda: heard.confirmed == [b"{s:s1}"] * 2, "it is heard anew, and that is said")
        assert heard.subscriber.connected


def test_pauses_are_spread() -> None:
    pauses = [spread(1.0) for _ in range(200)]

    assert all(0.5 <= pause <= 1.0 for pause in pauses)
    assert max(pauses) - min(pauses) > 0.3


async def test_patience_ends_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []

    async def sleep(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr("agentsvc.kv.patience.asyncio.sleep", sleep)
    patience = Patience(0.4)
    for _ in range(5):
        await patience.spend(ConnectionError("gone"))

    with pytest.raises(Unreachable, match="gone"):
        await patience.spend(ConnectionError("gone"))

    assert all(0.01 * 2**turn <= pause <= 0.02 * 2**turn for turn, pause in enumerate(paused))
