"""A user's URL leads to no private address, however it is spelled, unless the operator says so."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress

import pytest

from agentsvc.domain.events import ReplyEnd
from tests.redis_kinds.chosen import chosen
from tests.service import Service, User, serving, user_of

# Where this machine answers, as people and resolvers write it.
LOOPBACK = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0X7F.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "0.0.0.0",
    "0",
    "localhost",
    "LocalHost",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "[::1%25lo]",
]
PRIVATE = [
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "[fe80::1]",
    "[fc00::1]",
    "224.0.0.1",
    "255.255.255.255",
]


class Doorbell:
    """Listens, and counts who came."""

    def __init__(self) -> None:
        self.rung = 0
        self.answer = b""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.rung += 1
        if self.answer:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answer)
            await writer.drain()
        writer.close()


@pytest.fixture(scope="module")
def closed() -> Iterator[Service]:
    """A service that may reach no private address."""
    with chosen() as kind, serving(kind.url, environment={"AGENTSVC_ALLOW_PRIVATE": ""}) as running:
        yield running


@pytest.fixture
async def eve(closed: Service) -> AsyncIterator[User]:
    await closed.ready()
    async with user_of(closed) as user:
        yield user


async def end_with(user: User, base_url: str) -> ReplyEnd:
    """How a reply ends whose model is there."""
    talk = await user.conversation(base_url)
    async with talk.stream() as stream:
        await talk.told("Are you there?")
        end: ReplyEnd = await stream.until(ReplyEnd)
    return end


def port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_spelling_of_a_private_address_is_connected_to(eve: User, scheme: str) -> None:
    bell = Doorbell()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(await asyncio.start_server(bell, "127.0.0.1", 0))
        port = port_of(first)
        with suppress(OSError):  # a machine may have no IPv6
            await stack.enter_async_context(await asyncio.start_server(bell, "::1", port))

        ends = {
            host: await end_with(eve, f"{scheme}://{host}:{port}/v1")
            for host in (*LOOPBACK, *PRIVATE, socket.gethostname())
        }

    told = {host: end.error.type if end.error else None for host, end in ends.items()}
    assert {host: kind for host, kind in told.items() if kind != "invalid_request"} == {}
    assert bell.rung == 0


@pytest.mark.parametrize(
    "base_url",
    [
        "http://ada@127.0.0.1/v1",
        "http://ada:pass@models.example/v1",
        "http://models.example\\@127.0.0.1/v1",
        "http://models.example#@127.0.0.1/v1",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "unix:///var/run/docker.sock",
        "//127.0.0.1/v1",
        "http:127.0.0.1",
        "http:///v1",
        "http://127.0.0.1/v1\r\nhost: models.example",
    ],
)
async def test_what_is_no_plain_url_is_not_even_kept(eve: User, base_url: str) -> None:
    data = {"type": "openai_credential", "api_key": "sk-test", "base_url": base_url}
    known = (await eve.ask("GET", "/credential/")).json()["total"]

    answer = await eve.ask("POST", "/credential/", {"data": data})

    assert answer.status_code == 422
    assert [problem["path"] for problem in answer.json()["errors"]] == ["data.base_url"]
    assert (await eve.ask("GET", "/credential/")).json()["total"] == known


async def test_an_escaped_address_is_a_name_that_nobody_has(eve: User) -> None:
    bell = Doorbell()
    async with await asyncio.start_server(bell, "127.0.0.1", 0) as server:
        end = await end_with(eve, f"http://%31%32%37.0.0.1:{port_of(server)}/v1")

    assert end.error is not None
    assert end.error.type == "connection"
    assert bell.rung == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_provider_leads_to_no_other_place_even_where_that_may_be_reached(ada: User, status: int) -> None:
    door, elsewhere = Doorbell(), Doorbell()
    async with (
        await asyncio.start_server(door, "127.0.0.1", 0) as first,
        await asyncio.start_server(elsewhere, "127.0.0.1", 0) as second,
    ):
        door.answer = b"HTTP/1.1 %d Elsewhere\r\nlocation: http://127.0.0.1:%d/\r\ncontent-length: 0\r\n\r\n" % (
            status,
            port_of(second),
        )

        end = await end_with(ada, f"http://127.0.0.1:{port_of(first)}/v1")

    assert end.error is not None
    assert end.error.type == "invalid_request"
    assert door.rung == 1
    assert elsewhere.rung == 0
