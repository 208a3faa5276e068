"""A primary dies, or stands still: another one takes its place, and who asks meanwhile gets an answer, once."""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass

import pytest
import redis

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Entry
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Messages
from agentsvc.kv.client import Redis
from agentsvc.kv.errors import Unreachable
from tests.bus.conftest import AGENT, OWNER, SESSION, request
from tests.bus.test_leases import happen, held
from tests.conftest import Until
from tests.kv.conftest import ears
from tests.redis_kinds.cluster import cluster
from tests.redis_kinds.sentinel import Sentinel, sentinel
from tests.redis_kinds.server import Server
from tests.redis_kinds.server import until as until_replaced

pytestmark = pytest.mark.chaos

CHANNEL = b"{s:s1}"


@dataclass
class Kind:
    url: str
    primary: Callable[[], Server]
    kill: Callable[[], Server]
    others: list[str]
    """Names of sessions on servers that stay."""


@pytest.fixture(params=["sentinel", "cluster"])
def kind(request: pytest.FixtureRequest) -> Generator[Kind]:
    if request.param == "sentinel":
        with sentinel() as watched:
            yield Kind(watched.url, watched.master, watched.kill_master, [])
    else:
        with cluster() as made:
            home = made.master(CHANNEL)
            others = [f"{{s:other{n}}}" for n in range(20) if made.master(f"{{s:other{n}}}") is not home]
            yield Kind(made.url, lambda: made.master(CHANNEL), lambda: made.kill_master(CHANNEL), others)


async def test_what_is_written_while_a_primary_dies_is_there_once_and_in_order(kind: Kind) -> None:
    async with RedisMessageBus(kind.url) as bus:
        await bus.heads.create(OWNER, SESSION, AGENT)
        message = Msg.user("hello")
        await bus.inbox.accept(request(), Messages([message]), [message])
        grant = await held(bus)
        for seq in range(1, 10):
            await bus.leases.write(grant, seq, happen(f"event {seq}"), Entry())
        await replicated(bus._redis)

        kind.kill()
        for seq in range(10, 20):
            await bus.leases.write(grant, seq, happen(f"event {seq}"), Entry())

        written = await bus.log.read(SESSION, 0, 100)
    assert [seq for seq, _ in written.events] == list(range(1, 20))


async def test_a_primary_that_stands_still_is_left_for_the_one_that_took_its_place(kind: Kind, until: Until) -> None:
    async with Redis(kind.url) as client:
        await client.run("SET", CHANNEL, "before")
        await replicated(client)
        old = kind.primary()
        with old.pause():
            await until(lambda: kind.primary() is not old, "another one is primary", within=20)

            assert await client.run("APPEND", CHANNEL, " and after") >= len("before and after")

        assert (await client.run("GET", CHANNEL)).startswith(b"before and after")


async def test_what_is_said_after_a_fail_over_is_heard(kind: Kind, until: Until) -> None:
    staying = [name.encode() for name in kind.others]
    async with Redis(kind.url) as client, ears(client) as heard:
        await heard.open_for(CHANNEL, *staying)
        await heard.open_for(b"{w:me}", sharded=False)

        kind.kill()
        await until(lambda: heard.confirmed.count(CHANNEL) > 1, "it is heard anew", within=20)
        await client.run("SPUBLISH", CHANNEL, "again")
        await client.run("PUBLISH", b"{w:me}", "stop")

        await until(lambda: (CHANNEL, b"again") in heard.messages, "it is heard at its new place")
        await until(lambda: (b"{w:me}", b"stop") in heard.messages, "the plain channel too")
        await until(lambda: heard.subscriber.connected, "nothing is missing")
        if staying:
            assert [heard.confirmed.count(name) for name in staying] == [1] * len(staying)


async def test_keys_are_all_found_although_a_primary_dies_meanwhile(kind: Kind) -> None:
    names = {f"{{q:{number}}}:found".encode() for number in range(300)}
    async with Redis(kind.url) as client:
        await client.each(*(("SET", name, "") for name in names))
        await replicated(client)

        found: set[bytes] = set()
        async for batch in client.scan("{q:*}:found", batch=10):
            if not found:
                await asyncio.to_thread(kind.kill)
            found.update(batch)

    assert found == names


async def test_who_waits_on_a_primary_that_is_replaced_on_purpose_is_told_to_ask_again() -> None:
    stream = "{q:0}:stream"
    read = ("XREADGROUP", "GROUP", "g", "me", "BLOCK", 20_000, "STREAMS", stream, ">")
    with sentinel() as watched:
        async with Redis(watched.url) as client:
            await client.run("XGROUP", "CREATE", stream, "g", "0", "MKSTREAM")
            await replicated(client)
            waiting = asyncio.create_task(client.wait(*read, within=25))
            await asyncio.to_thread(replace, watched)
            with pytest.raises(Unreachable):
                await waiting

            await client.run("XADD", stream, "1-0", "f", "v")
            assert await client.wait(*read, within=25) == [[stream.encode(), [[b"1-0", [b"f", b"v"]]]]]


async def test_a_primary_that_is_replaced_is_left_although_it_still_answers(until: Until) -> None:
    with sentinel() as watched:
        async with Redis(watched.url) as client:
            await client.run("SET", "{q:0}:k", "kept", "EX", 60)
            await replicated(client)

            await asyncio.to_thread(replace, watched)

            new = ("127.0.0.1", int(watched.master().url.rpartition(":")[2]))
            await until(lambda: client._topology.nodes[0].host == new, "the new one is asked", within=8)
            assert await client.run("GET", "{q:0}:k") == b"kept"


def replace(watched: Sentinel) -> None:
    """As an operator does it who wants to work on the primary."""
    before = watched.master()
    with redis.Redis(port=next(iter(watched.sentinels))) as operator:
        operator.execute_command("SENTINEL", "FAILOVER", "mymaster")
    until_replaced(lambda: watched.master() is not before, "another one is primary")


async def replicated(client: Redis) -> None:
    """A replica of each primary has everything."""
    for node in client._topology.nodes:
        assert await client._all((("WAIT", 1, 5000),), node)
