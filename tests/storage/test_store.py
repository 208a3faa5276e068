"""The store: one owner's records, and what a run begins with."""

import msgspec
import pytest

from agentsvc.domain.errors import AgentServiceError, NotFound
from agentsvc.kv.client import Redis
from agentsvc.kv.errors import Unreachable
from agentsvc.storage.store import Records, RedisStorage
from tests.redis_kinds.chosen import only_standalone
from tests.redis_kinds.clients import connected
from tests.storage.examples import ADA, BOB, agent, credential, session


async def test_what_one_storage_keeps_another_one_finds(redis_url: str) -> None:
    record = agent()
    async with RedisStorage(redis_url) as storage:
        await storage.ping()
        await storage.of(ADA).agents.create(record)

    async with RedisStorage(redis_url) as storage:
        assert await storage.of(ADA).agents.get(record.id) == record
        assert (await storage.of(BOB).agents.page(10)).total == 0


async def test_a_storage_without_a_server_says_so() -> None:
    async with RedisStorage("unix:///nowhere/redis.sock") as storage:
        storage._redis._patience = 0.1
        with pytest.raises(Unreachable):
            await storage.ping()


@only_standalone("commands are counted on one server")
async def test_a_run_begins_with_one_round_trip(redis_url: str, records: Records) -> None:
    answering, main, spare = agent(), credential(), credential()
    await records.agents.create(answering)
    for record in (main, spare, credential()):
        await records.credentials.create(record)
    talk = session(answering.id, chat=main.id, fallback=spare.id)
    await records.sessions.create(talk)
    await records.bundle(talk.id)  # once, so that the server knows the script
    with connected(redis_url) as server:
        server.config_resetstat()

        bundle = await records.bundle(talk.id)

        assert server.info("commandstats")["cmdstat_evalsha"]["calls"] == 1
    assert bundle == (talk, answering, [main, spare])


async def test_a_credential_that_two_models_share_comes_once(records: Records) -> None:
    shared = credential()
    await records.credentials.create(shared)
    talk = session("agent-1", chat=shared.id, fallback=shared.id)
    await records.sessions.create(talk)

    assert (await records.bundle(talk.id)).credentials == [shared]


async def test_a_session_outlives_its_agent_and_credentials(records: Records) -> None:
    talk, bare = session("gone", chat="gone", fallback="gone too"), session("gone")
    await records.sessions.create(talk)
    await records.sessions.create(bare)

    assert await records.bundle(talk.id) == (talk, None, [])
    assert await records.bundle(bare.id) == (bare, None, [])


async def test_a_bundle_holds_nothing_of_another_owner(kv: Redis, records: Records) -> None:
    theirs = Records(kv, BOB)
    await theirs.agents.create(agent(BOB, "same"))
    await theirs.credentials.create(credential(BOB, "same"))
    their_talk = session("same", BOB, chat="same")
    await theirs.sessions.create(their_talk)
    talk = session("same", chat="same")
    await records.sessions.create(talk)

    assert await records.bundle(talk.id) == (talk, None, [])
    with pytest.raises(NotFound, match="session not found"):
        await records.bundle(their_talk.id)


async def test_a_bundle_without_a_readable_session_is_refused(kv: Redis, records: Records) -> None:
    await kv.run("SET", records.sessions.keys.record + "bad", msgspec.json.encode({"agent_id": "a", "config": {}}))

    with pytest.raises(NotFound):
        await records.bundle("nothing")
    with pytest.raises(AgentServiceError, match="cannot be read"):
        await records.bundle("bad")


async def test_an_unreadable_agent_or_credential_is_left_out(kv: Redis, records: Records) -> None:
    main = credential()
    await records.credentials.create(main)
    talk = session("bad", chat="bad", fallback=main.id)
    await records.sessions.create(talk)
    await kv.run("SET", records.agents.keys.record + "bad", "{")
    await kv.run("SET", records.credentials.keys.record + "bad", "{")

    assert await records.bundle(talk.id) == (talk, None, [main])
