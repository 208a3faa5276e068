"""Under TLS the server has to prove who it is, and where it asks for it, so has the service."""

import pytest

from agentsvc.kv.check import check_redis
from agentsvc.kv.client import Redis
from agentsvc.kv.errors import Unreachable
from tests.conftest import Until
from tests.kv.conftest import ears
from tests.redis_kinds.server import DEBIAN
from tests.redis_kinds.tls import tls

pytestmark = pytest.mark.skipif(DEBIAN is None, reason="the embedded server knows no TLS")


async def test_commands_and_messages_travel_under_tls(until: Until) -> None:
    with tls() as server:
        async with Redis(server.url) as client, ears(client) as heard:
            await heard.open_for(b"{s:s1}")
            assert await client.run("PING") == b"PONG"

            await client.run("SPUBLISH", "{s:s1}", "said")

            await until(lambda: (b"{s:s1}", b"said") in heard.messages, "it is heard")


async def test_an_unknown_authority_is_not_trusted_unless_that_is_said() -> None:
    with tls() as server:
        async with Redis(server.bare_url, patience=0.1) as client:
            with pytest.raises(Unreachable, match="certificate"):
                await client.run("PING")

        async with Redis(f"{server.bare_url}?ssl_cert_reqs=none") as client:
            assert await client.run("PING") == b"PONG"


async def test_a_client_proves_who_it_is_where_the_server_asks_for_it() -> None:
    with tls(mutual=True) as server:
        async with Redis(server.proving_url) as client:
            assert await client.run("PING") == b"PONG"

        async with Redis(server.url, patience=0.1) as client:
            with pytest.raises(Unreachable):
                await client.run("PING")


def test_what_is_wrong_with_a_certificate_is_said_at_start() -> None:
    with tls() as server, pytest.raises(Unreachable, match="certificate"):
        check_redis(server.bare_url)
