"""The line of commands to one server ends with the server."""

import asyncio

import pytest

from agentsvc.kv.address import parse_address
from agentsvc.kv.dial import LOST
from agentsvc.kv.node import Node
from tests.conftest import Until
from tests.redis_kinds.chosen import only_standalone
from tests.redis_kinds.clients import connected

pytestmark = only_standalone("it is about one server")


async def test_what_stands_in_line_is_not_sent_to_a_server_that_was_left(redis_url: str, until: Until) -> None:
    address = parse_address(redis_url)
    node = Node(address, address.hosts[0] if address.hosts else None)
    with connected(redis_url) as admin:
        sent = node.lane.send([("BLPOP", "{q:0}:nothing", 5)])
        await until(lambda: admin.info("clients")["blocked_clients"] == 1, "it is under way")
        standing = node.lane.send([("SET", "{q:0}:k", "lost", "EX", 60)])

        await node.hang_up()

        for answer in await asyncio.gather(sent, standing, node.lane.send([("PING",)]), return_exceptions=True):
            assert isinstance(answer, LOST)
        assert admin.get("{q:0}:k") is None


@pytest.mark.parametrize("commands", [1, 600])
async def test_what_was_given_before_the_end_is_still_sent(redis_url: str, commands: int) -> None:
    address = parse_address(redis_url)
    node = Node(address, address.hosts[0] if address.hosts else None)
    answers = [node.lane.send([("ECHO", number)]) for number in range(commands)]

    await node.aclose()

    assert await asyncio.gather(*answers) == [[b"%d" % number] for number in range(commands)]
