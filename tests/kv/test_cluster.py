"""In a Cluster each command goes to the server that has its key, whatever moves meanwhile."""

import asyncio
from collections.abc import Generator

import pytest
import redis
from redis.crc import key_slot

from agentsvc.bus.notes import NOTE
from agentsvc.kv.client import Redis
from agentsvc.kv.errors import Refused
from tests.conftest import Until
from tests.kv.conftest import ears
from tests.redis_kinds.cluster import Cluster
from tests.redis_kinds.server import Server

NAMES = [f"{{q:{number}}}:k" for number in range(40)]


@pytest.fixture(autouse=True)
def emptied(cluster: Cluster) -> Generator[None]:
    yield
    for name in NAMES:
        with raw(cluster.master(name)) as client:
            client.flushall()


def raw(server: Server) -> redis.Redis:
    return redis.Redis.from_url(server.url)


def apart(cluster: Cluster) -> tuple[str, str]:
    """Two keys on different servers."""
    first = NAMES[0]
    return first, next(name for name in NAMES if cluster.master(name) is not cluster.master(first))


class Move:
    """The slot of a key goes to another server, step by step."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.slot = key_slot(name.encode())
        self.source = cluster.master(name)
        self.target = next(cluster.master(each) for each in NAMES if cluster.master(each) is not self.source)
        self.others = {cluster.master(each).url: cluster.master(each) for each in NAMES}.values()
        self._name = name

    def begin(self) -> None:
        """The key is away already, its slot not yet."""
        ids = {server.url: self._said(server, "MYID") for server in (self.source, self.target)}
        self._said(self.target, "SETSLOT", self.slot, "IMPORTING", ids[self.source.url])
        self._said(self.source, "SETSLOT", self.slot, "MIGRATING", ids[self.target.url])
        with raw(self.source) as client:
            client.execute_command("MIGRATE", "127.0.0.1", self.target.url.rpartition(":")[2], self._name, 0, 5000)

    def end(self) -> None:
        new = self._said(self.target, "MYID")
        for server in (self.target, self.source, *self.others):
            self._said(server, "SETSLOT", self.slot, "NODE", new)

    def _said(self, server: Server, *words: object) -> str:
        with raw(server) as client:
            client.response_callbacks.clear()
            answer = client.execute_command("CLUSTER", *words)
        return answer.decode() if isinstance(answer, bytes) else str(answer)


async def test_each_key_is_where_it_belongs(cluster: Cluster) -> None:
    async with Redis(cluster.url) as client:
        await client.each(*(("SET", name, name) for name in NAMES))

        assert await client.each(*(("GET", name) for name in NAMES)) == [name.encode() for name in NAMES]
        assert await client.all(*(("GET", name) for name in NAMES)) == [name.encode() for name in NAMES]

    assert len({cluster.master(name).url for name in NAMES}) == 3
    for name in NAMES:
        with raw(cluster.master(name)) as there:
            assert there.get(name) == name.encode()


async def test_what_has_an_order_keeps_it_from_server_to_server(cluster: Cluster, until: Until) -> None:
    first, second = apart(cluster)
    async with Redis(cluster.url) as client:
        await client.each(("PING",), ("SET", first, "old"), ("SET", second, "old"))
        with cluster.master(first).pause():
            ordered = asyncio.create_task(client.all(("SET", first, "new"), ("SET", second, "new")))
            other = asyncio.create_task(client.each(("SET", first, "new"), ("APPEND", second, "er")))
            await until(lambda: is_set(cluster, second, b"older"), "what has no order goes ahead")
        await asyncio.gather(ordered, other)

        assert await client.run("GET", second) == b"new"


async def is_set(cluster: Cluster, name: str, value: bytes) -> bool:
    with raw(cluster.master(name)) as there:
        return bool(there.get(name) == value)


async def test_what_spans_servers_ends_with_the_first_error(cluster: Cluster) -> None:
    first, second = apart(cluster)
    async with Redis(cluster.url) as client:
        with pytest.raises(Refused):
            await client.all(("LPUSH", first), ("SET", second, "never"))

        assert await client.run("EXISTS", second) == 0


async def test_every_server_is_told_a_script_that_it_does_not_know(cluster: Cluster) -> None:
    async with Redis(cluster.url) as client:
        scripts = [client.evalsha(NOTE, (name,), ("a",)) for name in NAMES]

        assert await client.each(*scripts) == [1] * len(NAMES)
        assert await client.all(*scripts) == [0] * len(NAMES)


async def test_a_slot_that_has_moved_is_found(cluster: Cluster) -> None:
    name = NAMES[3]
    async with Redis(cluster.url) as client:
        await client.run("SET", name, "here")
        move = Move(cluster, name)

        move.begin()
        assert await client.all(("GET", name), ("APPEND", name, " and there"), ("GET", name)) == [
            b"here",
            14,
            b"here and there",
        ]
        assert await client.call(NOTE, (name + ":new",), ("a",)) == 1
        move.end()

        assert await client.all(("GET", name), ("ZCARD", name + ":new")) == [b"here and there", 1]
        assert client._topology.node_of(("GET", name)).host == ("127.0.0.1", int(move.target.url.rpartition(":")[2]))


async def test_a_script_is_told_to_a_server_that_has_a_slot_only_in_part(cluster: Cluster) -> None:
    name = NAMES[5]
    async with Redis(cluster.url, patience=1.0) as client:
        move = Move(cluster, name)
        move.begin()
        with raw(move.target) as there:
            there.script_flush()

        assert await client.call(NOTE, (name + ":noted",), ("a",)) == 1

        move.end()


async def test_all_keys_of_all_servers_are_found(cluster: Cluster) -> None:
    async with Redis(cluster.url) as client:
        await client.each(*(("SET", f"{{q:{number}}}:found", "") for number in range(300)))

        names = [name async for batch in client.scan("{q:*}:found", batch=20) for name in batch]

    assert sorted(names) == sorted(f"{{q:{number}}}:found".encode() for number in range(300))


async def test_who_waits_on_the_server_waits_where_the_key_is(cluster: Cluster) -> None:
    async with Redis(cluster.url) as client:
        for name in apart(cluster):
            stream = f"{name}:stream"
            await client.run("XGROUP", "CREATE", stream, "g", "0", "MKSTREAM")
            waiting = asyncio.create_task(
                client.wait("XREADGROUP", "GROUP", "g", "me", "BLOCK", 5000, "STREAMS", stream, ">", within=10)
            )
            await client.run("XADD", stream, "1-0", "f", "v")

            assert await waiting == [[stream.encode(), [[b"1-0", [b"f", b"v"]]]]]


async def test_messages_are_heard_from_every_server(cluster: Cluster, until: Until) -> None:
    channels = [f"{{q:{number}}}".encode() for number in range(40)]
    async with Redis(cluster.url) as client, ears(client) as heard:
        await heard.open_for(*channels)
        await heard.open_for(b"{w:plain}", sharded=False)

        await client.each(*(("SPUBLISH", channel, channel) for channel in channels))
        await client.run("PUBLISH", "{w:plain}", "from anywhere")

        expected = {(channel, channel) for channel in channels} | {(b"{w:plain}", b"from anywhere")}
        await until(lambda: set(heard.messages) == expected, "all are heard")
        assert heard.subscriber.connected


async def test_a_channel_whose_slot_moves_is_heard_where_it_goes(cluster: Cluster, until: Until) -> None:
    channel, other = b"{q:3}", b"{q:4}"
    async with Redis(cluster.url) as client, ears(client) as heard:
        await heard.open_for(channel, other)
        move = Move(cluster, NAMES[3])
        move.begin()
        move.end()

        await until(lambda: heard.confirmed.count(channel) > 1, "it is heard anew")
        await client.run("SPUBLISH", channel, "moved")

        await until(lambda: (channel, b"moved") in heard.messages, "what is said there is heard")
        assert heard.confirmed.count(other) == 1
