"""Commands share round trips, keep their order, survive a lost connection, and never hand out somebody else's reply."""

import asyncio

import pytest

from agentsvc.bus.notes import NOTE
from agentsvc.kv.client import Redis
from agentsvc.kv.errors import Refused, Unreachable
from tests.conftest import Until
from tests.redis_kinds.chosen import only_standalone
from tests.redis_kinds.clients import connected


async def test_each_caller_gets_its_own_reply(redis_url: str) -> None:
    async with Redis(redis_url) as redis:
        replies = await asyncio.gather(*(redis.run("ECHO", number) for number in range(1000)))

    assert replies == [str(number).encode() for number in range(1000)]


@only_standalone("reads are counted on one server")
async def test_many_callers_share_a_round_trip(redis_url: str) -> None:
    async with Redis(redis_url) as redis:
        with connected(redis_url) as admin:
            await redis.run("PING")
            before = admin.info("stats")["total_reads_processed"]

            await asyncio.gather(*(redis.run("PING") for _ in range(200)))

            reads = admin.info("stats")["total_reads_processed"] - before
    assert reads < 20


async def test_several_commands_are_carried_out_in_order(redis_url: str) -> None:
    async with Redis(redis_url) as redis:
        replies = await redis.all(
            ("SET", "k", "1", "EX", 60), ("INCR", "k"), ("GET", "k"), ("DEL", "k"), ("EXISTS", "k")
        )

    assert replies == [b"OK", 2, b"2", 1, 0]


async def test_an_error_is_the_callers_alone(redis_url: str) -> None:
    async with Redis(redis_url) as redis:
        good = asyncio.create_task(redis.run("PING"))
        bad = (await asyncio.gather(redis.run("NONSENSE"), return_exceptions=True))[0]

        assert await good == b"PONG"
    assert isinstance(bad, Refused)


async def test_a_script_that_the_server_has_forgotten_is_told_again(redis_url: str) -> None:
    async with Redis(redis_url) as redis:
        await redis.call(NOTE, ("{q:0}:test",), ("a",))
        await redis.run("SCRIPT", "FLUSH")

        _, added = await redis.all(("PING",), redis.evalsha(NOTE, ("{q:0}:test",), ("b",)))

        assert added == 1
        await redis.run("DEL", "{q:0}:test")


async def test_a_killed_connection_costs_nobody_a_reply(redis_url: str) -> None:
    async with Redis(redis_url) as redis:

        async def ask(number: int) -> bytes:
            reply: bytes = await redis.run("ECHO", number)
            return reply

        asked = []
        with connected(redis_url) as admin:
            for round_ in range(20):
                asked += [asyncio.create_task(ask(round_ * 50 + number)) for number in range(50)]
                await asyncio.sleep(0)
                await asyncio.to_thread(admin.client_kill_filter, _type="normal", skipme=True)
        replies = await asyncio.gather(*asked)

    assert replies == [str(number).encode() for number in range(1000)]


async def test_a_server_that_stays_away_is_unreachable_and_then_there_again(until: Until) -> None:
    listening = asyncio.Event()

    async def close_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listening.set()
        writer.close()

    async with await asyncio.start_server(close_at_once, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Redis(f"redis://127.0.0.1:{port}", patience=0.2) as redis:
            with pytest.raises(Unreachable):
                await redis.run("PING")

    assert listening.is_set()


async def test_a_caller_that_gives_up_leaves_the_others_their_replies(redis_url: str) -> None:
    async with Redis(redis_url) as redis:
        leaving = asyncio.create_task(redis.run("ECHO", "leaving"))
        staying = asyncio.create_task(redis.run("ECHO", "staying"))
        await asyncio.sleep(0)
        leaving.cancel()

        assert await staying == b"staying"
        assert await redis.run("ECHO", "later") == b"later"


async def test_what_blocks_on_the_server_holds_up_nobody(redis_url: str) -> None:
    async with Redis(redis_url) as redis:
        waiting = asyncio.create_task(redis.wait("BLPOP", "list", 5, within=10))
        assert await redis.run("PING") == b"PONG"

        await redis.run("RPUSH", "list", "there")

        assert await waiting == [b"list", b"there"]


async def test_commands_in_any_order_each_have_their_reply(redis_url: str) -> None:
    async with Redis(redis_url) as redis:
        assert await redis.each(*(("ECHO", number) for number in range(10))) == [b"%d" % number for number in range(10)]
        assert await redis.each() == []


async def test_every_key_is_found_once_in_its_batch(redis_url: str) -> None:
    async with Redis(redis_url) as redis:
        await redis.each(*(("SET", f"wanted:{number}", "", "EX", 60) for number in range(500)))
        await redis.run("SET", "other", "", "EX", 60)

        batches = [names async for names in redis.scan("wanted:*", batch=50)]

    assert {name for names in batches for name in names} == {b"wanted:%d" % number for number in range(500)}
    assert len(batches) > 2
    assert all(len(set(names)) == len(names) for names in batches)
