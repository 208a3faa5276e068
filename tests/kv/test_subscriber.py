"""Who subscribes stays subscribed, whatever becomes of the servers and of those who look for them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from agentsvc.kv.address import parse_address
from agentsvc.kv.client import Redis
from agentsvc.kv.commands import Command
from agentsvc.kv.errors import Refused
from agentsvc.kv.link import Link
from agentsvc.kv.node import Node
from agentsvc.kv.subscriber import Subscriber
from agentsvc.kv.topology import Topology
from tests.conftest import Until
from tests.kv.conftest import Ears
from tests.redis_kinds.chosen import only_standalone
from tests.redis_kinds.clients import connected

pytestmark = only_standalone("the servers are two ways to one")

ONE, OTHER = b"{s:one}", b"{s:other}"


class Moving(Topology):
    """All channels are on one server, and then on another."""

    def __init__(self, url: str) -> None:
        address = parse_address(url)
        super().__init__(address)
        host = address.hosts[0] if address.hosts else None
        self.nodes = (Node(address, host), Node(address, host))
        self.home = 0
        self.refuse = False

    def node_of(self, command: Command) -> Node:
        return self.nodes[self.home]

    async def watch(self) -> None:
        """Nobody says anything."""

    async def _look(self) -> None:
        if self.refuse:
            self.refuse = False
            raise Refused("not now")


@pytest.fixture
async def moving(redis_url: str) -> AsyncGenerator[Moving]:
    made = Moving(redis_url)
    yield made
    await made.aclose()


@pytest.fixture
async def heard(moving: Moving) -> AsyncGenerator[Ears]:
    made = Ears()
    made.subscriber = Subscriber(moving, made.hear)
    listening = asyncio.create_task(made.subscriber.listen())
    await made.open_for(ONE, OTHER)
    yield made
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


@pytest.fixture
def on_leave(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[bytes], Awaitable[None]]]:
    """What happens just after a channel has left its server."""
    then: list[Callable[[bytes], Awaitable[None]]] = []
    leave = Link.leave

    async def left(link: Link, channel: bytes) -> None:
        await leave(link, channel)
        for each in [then.pop()] if then else []:
            await each(channel)

    monkeypatch.setattr(Link, "leave", left)
    return then


async def test_channels_are_moved_although_the_one_who_looked_for_the_servers_gives_up(
    redis_url: str,
    moving: Moving,
    heard: Ears,
    on_leave: list[Callable[[bytes], Awaitable[None]]],
    until: Until,
) -> None:
    gone = asyncio.Event()

    async def give_up(_: bytes) -> None:
        looking.cancel()
        gone.set()
        await asyncio.sleep(0)

    on_leave.append(give_up)
    moving.home = 1
    looking = asyncio.create_task(moving.refresh(moving.changes))
    await asyncio.gather(looking, return_exceptions=True)
    await gone.wait()

    await until(lambda: heard.confirmed.count(OTHER) == heard.confirmed.count(ONE) == 2, "both have moved")
    async with Redis(redis_url) as client:
        await client.each(("SPUBLISH", ONE, "1"), ("SPUBLISH", OTHER, "2"))
    await until(lambda: set(heard.messages) == {(ONE, b"1"), (OTHER, b"2")}, "both are heard")


async def test_a_channel_that_nobody_wants_any_more_does_not_stop_the_others_from_moving(
    redis_url: str,
    moving: Moving,
    heard: Ears,
    on_leave: list[Callable[[bytes], Awaitable[None]]],
    until: Until,
) -> None:
    on_leave.append(heard.subscriber.unsubscribe)
    moving.home = 1

    await moving.refresh(moving.changes)

    await until(lambda: len(heard.confirmed) == 3, "the other one has moved")
    async with Redis(redis_url) as client:
        await client.each(("SPUBLISH", ONE, "1"), ("SPUBLISH", OTHER, "2"))
    await until(lambda: len(heard.messages) == 1, "it is heard")
    assert heard.subscriber.connected


async def test_servers_that_refuse_to_say_where_others_are_make_nobody_deaf(
    redis_url: str, moving: Moving, heard: Ears, until: Until
) -> None:
    moving.refuse = True
    with connected(redis_url) as admin:
        await asyncio.to_thread(admin.client_kill_filter, _type="pubsub", skipme=True)

    await until(lambda: not moving.refuse and heard.confirmed.count(ONE) == 2, "it is heard anew")
    await until(lambda: heard.subscriber.connected, "nothing is missing")
