"""The page about Redis is true: what it says must be allowed is enough for everything that the service does."""

import asyncio
import re
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.cli import main
from agentsvc.domain.events import TextBlockDelta
from agentsvc.kv.check import check_redis
from agentsvc.kv.client import Redis
from tests.bus.conftest import AGENT, OWNER, SESSION
from tests.documents import ROOT, blocks
from tests.fakes.openai_scripts import Hang
from tests.fakes.openai_server import OpenAIServer, words
from tests.redis_kinds.acl import Acl, acl
from tests.redis_kinds.clients import connected
from tests.redis_kinds.cluster import Cluster, cluster
from tests.redis_kinds.sentinel import Sentinel, sentinel
from tests.redis_kinds.server import DEBIAN
from tests.service import KEY, User, serving, user_of

PAGE = "docs/redis.md"

Several = Callable[[], AbstractContextManager[Cluster | Sentinel]]

CALLED = re.compile(r"redis\.call\('([A-Z]+)'(?:, '(CREATE|DELCONSUMER|GROUPS|CONSUMERS|STREAM)')?")


def rules() -> str:
    """What the page lets the service do."""
    (line,) = blocks(PAGE, "acl")
    return line.partition("resetchannels ")[2].strip()


@pytest.fixture(params=[True, False], ids=["oldest", "embedded"])
def allowed(request: pytest.FixtureRequest) -> Generator[Acl]:
    if request.param and DEBIAN is None:
        pytest.skip("there is no redis-server beside the embedded one")
    with acl(rules(), oldest=request.param) as server:
        yield server


async def test_what_the_page_allows_is_enough_for_a_whole_story(allowed: Acl) -> None:
    await asyncio.to_thread(check_redis, allowed.url)
    async with OpenAIServer() as provider:
        with serving(allowed.url, "--queue-shards", "2") as service:
            await service.ready()
            async with user_of(service) as ada:
                await tell(ada, provider)
                assert (await ada.client.get("/health/ready")).status_code == 200
            assert service.stop() == 0

    for command in (["doctor", "--repair"], ["rotate-keys"]):
        ended = await asyncio.to_thread(told, *command, "--redis-url", allowed.url)
        assert ended.exit_code == 0, ended.output
    with connected(allowed.server.url) as operator:
        assert operator.acl_log() == []


def told(*command: str) -> Result:
    return CliRunner().invoke(main, command, env={"AGENTSVC_SECRET_KEYS": KEY})


@pytest.mark.parametrize("kind", [cluster, sentinel], ids=["cluster", "sentinel"])
async def test_what_the_page_allows_is_enough_where_there_are_several_servers(kind: Several) -> None:
    with kind() as made:
        for node in made.nodes.values():
            with connected(node.url) as operator:
                operator.execute_command("ACL", "SETUSER", "agentsvc", "on", ">word", "resetchannels", *rules().split())
        url = made.url.replace("://", "://agentsvc:word@")

        await asyncio.to_thread(check_redis, url)
        async with RedisMessageBus(url, shards=3) as bus:
            await bus.heads.create(OWNER, SESSION, AGENT)
            async with bus.hub.join(SESSION) as live:
                await bus.heads.remove(SESSION)
                await live.wait()
                assert live.ended
            await bus.ping()
        async with Redis(url) as client:
            assert [names async for names in client.scan("{s:*")] == []

        for node in made.nodes.values():
            with connected(node.url) as operator:
                assert operator.acl_log() == []


async def tell(ada: User, provider: OpenAIServer) -> None:
    """A user says something, reads it again, stops a reply, and removes everything."""
    talk = await ada.conversation(provider.url)
    provider.script(*words("Hello yourself"))
    async with talk.stream() as stream:
        await talk.told("hello")
        assert (await stream.reply()).text() == "Hello yourself"
        provider.script(*words("So far "), Hang())
        await talk.told("and now?")
        await stream.until(TextBlockDelta)
        assert (await talk.interrupt()).status_code == 202
        assert (await stream.reply()).finished_reason == "interrupted"
    await talk.idle()
    assert len(await talk.messages()) == 4
    assert (await ada.ask("GET", f"/sessions/{talk.session_id}/runs")).status_code == 200
    assert (await ada.ask("DELETE", f"/agent/{talk.agent_id}")).status_code < 300


def test_the_page_allows_every_command_of_every_script() -> None:
    allowed = {word[1:] for word in rules().split() if word.startswith("+")}
    called = {
        "|".join(filter(None, match)).lower()
        for script in Path(ROOT, "agentsvc").rglob("*.lua")
        for match in CALLED.findall(script.read_text())
    }

    assert called - allowed == set()


def test_the_page_allows_nothing_that_looks_at_others() -> None:
    allowed = {word.lstrip("+").partition("|")[0] for word in rules().split()}

    assert allowed.isdisjoint(("acl", "client", "config", "debug", "eval", "flushall", "function", "keys", "save"))
    assert not [word for word in rules().split() if word.startswith("+@")]
