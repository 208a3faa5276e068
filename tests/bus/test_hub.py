"""Live events reach every subscriber of the process once and in order, or the subscriber knows that it missed some."""

import asyncio

import pytest

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.hub import Hub
from agentsvc.bus.leases import Entry, Grant
from agentsvc.bus.subscription import HEARTBEAT, Subscription, frame
from agentsvc.domain.ids import SessionId
from agentsvc.kv.client import Redis
from agentsvc.kv.errors import Unreachable
from tests.bus.conftest import SESSION, Say
from tests.bus.test_leases import happen, held
from tests.conftest import Until
from tests.redis_kinds.chosen import only_standalone
from tests.redis_kinds.clients import connected


async def grant_of(bus: RedisMessageBus, say: Say) -> Grant:
    await say("hello")
    return await held(bus)


async def next_of(live: Subscription, cursor: int) -> tuple[int, bytes]:
    await live.wait()
    return live.take(cursor)


async def test_what_is_written_is_heard_framed(bus: RedisMessageBus, say: Say) -> None:
    grant = await grant_of(bus, say)
    events = happen("a", "b")
    async with bus.hub.join(SESSION) as one, bus.hub.join(SESSION) as other:
        await bus.leases.write(grant, 1, events, Entry())

        expected = (2, frame(1, events[0]) + frame(2, events[1]))
        assert await next_of(one, 0) == expected
        assert await next_of(other, 0) == expected


async def test_what_the_subscriber_has_already_read_is_left_out(bus: RedisMessageBus, say: Say) -> None:
    grant = await grant_of(bus, say)
    events = happen("a", "b", "c")
    async with bus.hub.join(SESSION) as live:
        await bus.leases.write(grant, 1, events, Entry())

        assert await next_of(live, 2) == (3, frame(3, events[2]))


async def test_a_hole_is_noticed(bus: RedisMessageBus, say: Say) -> None:
    grant = await grant_of(bus, say)
    await bus.leases.write(grant, 1, happen("a"), Entry())
    async with bus.hub.join(SESSION) as live:
        await bus.leases.write(grant, 2, happen("b"), Entry())

        assert await next_of(live, 0) == (0, b"")
        assert live.lost


async def test_who_does_not_read_loses_events_not_memory(bus: RedisMessageBus, say: Say) -> None:
    grant = await grant_of(bus, say)
    hub = Hub(bus._redis, "small", 15, limit=1000)  # a second hub on the same connection pool
    await hub.open()
    try:
        async with hub.join(SESSION) as live:
            await bus.leases.write(grant, 1, happen(*("x" * 50 for _ in range(50))), Entry())
            await live.wait()

            assert live.lost
            assert live.take(0) == (0, b"")
    finally:
        await hub.close()


async def test_a_broken_connection_is_made_again_and_the_subscriber_knows(
    bus: RedisMessageBus, say: Say, redis_url: str, until: Until
) -> None:
    grant = await grant_of(bus, say)
    async with bus.hub.join(SESSION) as live:
        with connected(redis_url) as admin:
            admin.client_kill_filter(_type="pubsub")

        await until(lambda: live.lost, "the loss is known")

        live.renew()
        await bus.leases.write(grant, 1, happen("a"), Entry())
        assert (await next_of(live, 0))[0] == 1


async def test_a_removed_session_ends_its_streams(bus: RedisMessageBus) -> None:
    async with bus.hub.join(SESSION) as live:
        await bus.heads.remove(SESSION)
        await live.wait()

        assert live.ended


async def test_a_stopping_process_ends_its_streams_also_later_ones(bus: RedisMessageBus) -> None:
    async with bus.hub.join(SESSION) as early:
        bus.hub.drain()
        async with bus.hub.join(SESSION) as late:
            assert early.ended
            assert late.ended


async def test_an_idle_stream_hears_a_heartbeat(bus: RedisMessageBus) -> None:
    hub = Hub(bus._redis, "quick", 0.01)  # a second hub on the same connection pool
    await hub.open()
    try:
        async with hub.join(SESSION) as live:
            assert await next_of(live, 0) == (0, HEARTBEAT)
    finally:
        await hub.close()


async def test_a_session_that_nobody_hears_any_more_is_not_subscribed_to(
    bus: RedisMessageBus, redis_url: str, until: Until
) -> None:
    with connected(redis_url) as admin:

        def channels() -> list[bytes | str]:
            return admin.pubsub_shardchannels("{s:*")

        async with bus.hub.join(SESSION):
            assert channels() == [b"{s:s1}"]
        await until(lambda: not channels(), "the channel is left")
        async with bus.hub.join(SessionId("s2")) as other:
            admin.client_kill_filter(_type="pubsub")
            await until(lambda: other.lost, "the connection is there again")

            assert channels() == [b"{s:s2}"]


async def test_a_subscription_that_failed_can_be_tried_again(bus: RedisMessageBus, redis_url: str) -> None:
    subscriber = bus.hub._subscriber
    send, failures = subscriber.subscribe, [Unreachable("gone")]

    async def subscribe(*names: bytes, sharded: bool = True) -> None:
        if failures:
            raise failures.pop()
        await send(*names, sharded=sharded)

    subscriber.subscribe = subscribe  # type: ignore[method-assign]

    with pytest.raises(Unreachable):
        async with bus.hub.join(SESSION):
            pass
    async with bus.hub.join(SESSION) as live:
        assert not live.lost


async def test_who_joins_just_when_the_connection_breaks_hears_everything_or_knows_better(
    bus: RedisMessageBus, say: Say, redis_url: str
) -> None:
    grant = await grant_of(bus, say)
    with connected(redis_url) as admin:
        for seq in range(1, 6):
            admin.client_kill_filter(_type="pubsub")
            async with bus.hub.join(SessionId(f"other{seq}")), bus.hub.join(SESSION) as live:
                await bus.leases.write(grant, seq, happen("a"), Entry())
                heard, _ = await next_of(live, seq - 1)
                assert heard == seq or live.lost


async def test_who_leaves_while_joining_leaves_nothing_behind(bus: RedisMessageBus, say: Say) -> None:
    grant = await grant_of(bus, say)

    async def join() -> None:
        async with bus.hub.join(SESSION):
            raise AssertionError("it was not to come so far")

    for turns in range(6):
        task = asyncio.create_task(join())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert bus.hub._channels == {}
    async with bus.hub.join(SESSION) as live:
        await bus.leases.write(grant, 1, happen("a"), Entry())
        heard, _ = await next_of(live, 0)
        # The confirmation of an earlier join may come late: then the reader looks into the log once more.
        assert heard == 1 or live.lost


class Line:
    """What lies between a client and Redis. ``hush`` silences the connections there are, without closing them."""

    def __init__(self, redis_url: str) -> None:
        self._socket = redis_url.removeprefix("unix://")
        self._silent: set[asyncio.Event] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent = asyncio.Event()
        self._silent.add(silent)
        behind, before = await asyncio.open_unix_connection(self._socket)
        self._writers += (writer, before)
        for source, sink in ((reader, before), (behind, writer)):
            self._tasks.add(asyncio.create_task(self._pass_on(source, sink, silent)))

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, silent: asyncio.Event) -> None:
        while data := await source.read(65536):
            if not silent.is_set():
                sink.write(data)

    def hush(self) -> None:
        for silent in self._silent:
            silent.set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)


@only_standalone("the line to one server is silenced")
async def test_a_connection_that_has_fallen_silent_is_made_again(redis_url: str, until: Until) -> None:
    line = Line(redis_url)
    async with await asyncio.start_server(line.accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        hub = Hub(Redis(f"redis://127.0.0.1:{port}"), "far", 0.1)
        await hub.open()
        async with hub.join(SESSION) as live:
            line.hush()

            await until(lambda: live.lost, "the silence is noticed")
            await until(lambda: hub.connected, "the hub hears again")
        await hub.close()
        await line.close()


async def test_a_hub_is_open_when_it_hears(bus: RedisMessageBus) -> None:
    await bus.ping()
