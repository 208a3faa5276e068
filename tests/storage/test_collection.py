"""Records of one kind: create, get, update, delete."""

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec
import pytest

from agentsvc.domain.agents import AgentRecord
from agentsvc.domain.errors import AgentServiceError, Conflict, NotFound, VersionConflict
from agentsvc.domain.ids import OwnerId
from agentsvc.domain.sessions import SessionRecord
from agentsvc.kv.client import Redis
from agentsvc.storage import collection
from agentsvc.storage.store import Records
from tests.storage.examples import ADA, BOB, agent, credential, session
from tests.storage.losing import LosingRedis

STRANGE = ["a:b", "{a}", "}:agent:{o:", "ä/ö ü", "名前", "a%3Ab", "*?[x]", "of:", "\x00\n", "~", "'\""]


def told(record: AgentRecord, prompt: str) -> AgentRecord:
    return msgspec.structs.replace(record, data=msgspec.structs.replace(record.data, system_prompt=prompt))


def told_also(word: str) -> Callable[[AgentRecord], AgentRecord]:
    return lambda record: told(record, f"{record.data.system_prompt} {word}")


async def test_what_was_created_is_what_is_got(records: Records) -> None:
    record = agent()

    await records.agents.create(record)

    assert await records.agents.get(record.id) == record


async def test_an_id_is_taken_once(records: Records) -> None:
    first = credential(record_id="mine")
    await records.credentials.create(first)

    with pytest.raises(Conflict):
        await records.credentials.create(credential(record_id="mine"))

    assert await records.credentials.get("mine") == first
    assert (await records.credentials.page(10)).total == 1


async def test_the_same_id_of_another_kind_is_another_record(records: Records) -> None:
    await records.credentials.create(credential(record_id="same"))

    await records.agents.create(agent(record_id="same"))

    assert (await records.agents.get("same")).data.id == "same"
    assert (await records.credentials.get("same")).name == "mine"


async def test_what_is_not_there_is_not_found(records: Records) -> None:
    with pytest.raises(NotFound, match="agent not found"):
        await records.agents.get("nothing")
    with pytest.raises(NotFound):
        await records.agents.update("nothing", lambda record: record)
    with pytest.raises(NotFound):
        await records.agents.delete("nothing")


async def test_what_was_deleted_is_gone_from_everywhere(kv: Redis, records: Records) -> None:
    record = session("agent:1")
    await records.sessions.create(record)

    await records.sessions.delete(record.id)

    with pytest.raises(NotFound):
        await records.sessions.get(record.id)
    with pytest.raises(NotFound):
        await records.sessions.delete(record.id)
    assert (await records.sessions.page(10)).total == 0
    assert (await records.sessions.page(10, within="agent:1")).total == 0
    assert all(b":wrote:" in key for key in await kv.run("KEYS", "*"))


async def test_an_id_is_free_again_after_deletion(records: Records) -> None:
    await records.agents.create(agent(record_id="again", name="first"))
    await records.agents.delete("again")

    await records.agents.create(agent(record_id="again", name="second"))

    assert (await records.agents.get("again")).data.name == "second"


async def test_another_owner_never_sees_changes_or_deletes_it(kv: Redis, records: Records) -> None:
    record = agent()
    await records.agents.create(record)
    theirs = Records(kv, BOB).agents

    for attempt in (
        theirs.get(record.id),
        theirs.update(record.id, lambda found: told(found, "mine now")),
        theirs.delete(record.id),
    ):
        with pytest.raises(NotFound):
            await attempt

    assert (await theirs.page(10)).items == []
    assert await records.agents.get(record.id) == record


async def test_a_record_of_another_owner_cannot_be_created(records: Records) -> None:
    with pytest.raises(ValueError, match="another owner"):
        await records.agents.create(agent(BOB))


@pytest.mark.parametrize("name", STRANGE)
async def test_any_name_of_owner_record_and_agent_works(kv: Redis, name: str) -> None:
    owner = OwnerId(name)
    records = Records(kv, owner)
    await records.agents.create(agent(owner, name))
    await records.credentials.create(credential(owner, name))
    talk = session(name, owner, chat=name)
    await records.sessions.create(talk)

    bundle = await records.bundle(talk.id)
    await records.agents.update(name, lambda record: told(record, "new"))

    assert bundle.agent is not None
    assert [found.id for found in bundle.credentials] == [name]
    assert (await records.agents.page(10)).items == [await records.agents.get(name)]
    assert (await records.sessions.page(10, within=name)).items == [talk]
    await records.sessions.delete(talk.id)
    assert (await records.sessions.page(10, within=name)).total == 0


async def test_strange_names_never_meet(kv: Redis) -> None:
    owners = [OwnerId(name) for name in STRANGE]

    for owner in owners:
        for name in STRANGE:
            await Records(kv, owner).agents.create(agent(owner, name))

    for owner in owners:
        page = await Records(kv, owner).agents.page(100)
        assert sorted(record.id for record in page.items) == sorted(STRANGE)
        assert {record.user_id for record in page.items} == {owner}


async def test_an_update_moves_version_and_time_and_nothing_else(records: Records) -> None:
    record = agent()
    await records.agents.create(record)

    after = await records.agents.update(record.id, lambda found: told(found, "new"))

    assert (after.version, after.data.system_prompt) == (2, "new")
    assert after.updated_at > record.updated_at
    assert after.created_at == record.created_at
    assert await records.agents.get(record.id) == after


async def test_an_update_that_changes_nothing_writes_nothing(records: Records) -> None:
    record = agent()
    await records.agents.create(record)

    assert await records.agents.update(record.id, lambda found: found) == record

    assert await records.agents.get(record.id) == record


async def test_an_update_of_an_old_version_is_told_the_new_one(records: Records) -> None:
    record = agent()
    await records.agents.create(record)
    await records.agents.update(record.id, lambda found: told(found, "theirs"), version=1)

    with pytest.raises(VersionConflict) as conflict:
        await records.agents.update(record.id, lambda found: told(found, "mine"), version=1)

    assert conflict.value.version == 2
    assert (await records.agents.get(record.id)).data.system_prompt == "theirs"


async def test_a_record_cannot_be_moved(records: Records) -> None:
    record = session("agent-1")
    await records.sessions.create(record)

    def move(found: SessionRecord, change: dict[str, str]) -> SessionRecord:
        return msgspec.structs.replace(found, **change)

    for name in ("id", "user_id", "created_at", "agent_id"):
        with pytest.raises(ValueError, match=f"{name} of a session cannot change"):
            await records.sessions.update(record.id, partial(move, change={name: "x"}))

    assert await records.sessions.get(record.id) == record


async def test_fifty_racing_updaters_lose_no_update(redis_url: str, records: Records) -> None:
    record = agent()
    await records.agents.create(record)

    async def race(runner: int) -> None:
        async with Redis(redis_url) as redis:
            mine = Records(redis, ADA).agents
            await asyncio.gather(*(mine.update(record.id, told_also(f"{runner}.{lap}")) for lap in range(10)))

    await asyncio.gather(*(race(runner) for runner in range(5)))

    after = await records.agents.get(record.id)
    expected = sorted(f"{runner}.{lap}" for runner in range(5) for lap in range(10))
    assert sorted(after.data.system_prompt.split()[-50:]) == expected
    assert after.version == 51


async def test_of_racing_updaters_of_one_version_one_wins(records: Records) -> None:
    record = agent()
    await records.agents.create(record)

    answers = await asyncio.gather(
        *(records.agents.update(record.id, lambda found: told(found, "new"), version=1) for _ in range(50)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, AgentRecord) for answer in answers) == 1
    assert {answer.version for answer in answers if isinstance(answer, VersionConflict)} == {2}


async def test_a_record_deleted_during_an_update_stays_deleted(losing: LosingRedis, records: Records) -> None:
    record = agent()
    await records.agents.create(record)

    def delete_at_last(found: AgentRecord) -> AgentRecord:
        losing.between = lambda: records.agents.delete(record.id)
        return told(found, "new")

    assert (await Records(losing, ADA).agents.update(record.id, delete_at_last)).version == 2

    with pytest.raises(NotFound):
        await records.agents.get(record.id)


async def test_every_write_can_be_sent_twice(losing: LosingRedis, records: Records) -> None:
    record, lasting = session("agent-1"), Records(losing, ADA)

    await lasting.sessions.create(record)
    changed = await lasting.sessions.update(
        record.id, lambda found: msgspec.structs.replace(found, permission_mode="explore")
    )

    assert changed.version == 2
    assert (await lasting.sessions.page(10)).items == [changed]
    assert (await lasting.bundle(record.id)).session == changed
    await lasting.sessions.delete(record.id)
    assert (await records.sessions.page(10, within="agent-1")).total == 0


async def test_a_write_sent_twice_does_not_undo_what_came_in_between(losing: LosingRedis, records: Records) -> None:
    record, lasting = agent(), Records(losing, ADA)

    async def others_write() -> None:
        await records.agents.update(record.id, told_also("theirs"))

    losing.between = others_write
    await lasting.agents.create(record)
    await lasting.agents.update(record.id, told_also("mine"))

    after = await records.agents.get(record.id)
    assert after.data.system_prompt.split().count("mine") == 1
    assert after.data.system_prompt.split().count("theirs") + 2 == after.version


async def test_a_deletion_sent_twice_spares_what_was_created_in_between(losing: LosingRedis, records: Records) -> None:
    await records.agents.create(agent(record_id="same", name="first"))
    losing.between = lambda: records.agents.create(agent(record_id="same", name="second"))

    await Records(losing, ADA).agents.delete("same")

    assert (await records.agents.get("same")).data.name == "second"


async def test_a_record_of_another_version_of_the_service_can_be_read(kv: Redis, records: Records) -> None:
    old = {"user_id": ADA, "id": "old", "data": {"id": "old", "name": "Old", "novelty": [1]}, "unheard_of": {"a": 1}}
    await kv.run("SET", records.agents.keys.record + "old", msgspec.json.encode(old))

    record = await records.agents.get("old")

    assert (record.data.name, record.version, record.source) == ("Old", 1, "user")


@pytest.mark.parametrize("stored", [b"", b"{", b"[]", b'{"user_id":1}', b'{"user_id":"\xff"}', b"\x80"])
async def test_an_unreadable_record_breaks_no_page_and_can_be_deleted(
    kv: Redis, records: Records, stored: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = session("agent-1"), session("agent-1")
    await records.sessions.create(good)
    await records.sessions.create(bad)
    await kv.run("SET", records.sessions.keys.record + bad.id, stored)

    page = await records.sessions.page(10)

    assert (page.items, page.total) == ([good], 2)
    assert bad.id in caplog.text
    with pytest.raises(AgentServiceError, match="cannot be read"):
        await records.sessions.get(bad.id)
    await records.sessions.delete(bad.id)
    assert (await records.sessions.page(10)).total == 1


async def test_what_lies_within_is_found_and_deleted_though_it_cannot_be_read(
    kv: Redis, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "_LONGEST_PAGE", 2)
    made = [session("of: one") for _ in range(5)]
    for record in (*made, session("another")):
        await records.sessions.create(record)
    await kv.run("SET", records.sessions.keys.record + made[2].id, "{rubbish")

    found = [record_id async for record_id in records.sessions.ids_within("of: one")]
    for record_id in found:
        await records.sessions.delete(record_id, within="of: one")

    assert found == [record.id for record in reversed(made)]
    assert [record_id async for record_id in records.sessions.ids_within("of: one")] == []
    assert (await records.sessions.page(2)).total == 1


async def test_a_record_that_was_made_by_an_earlier_attempt_is_the_one(records: Records) -> None:
    first, second = agent(record_id="same", name="first"), agent(record_id="same", name="second")

    assert await records.agents.create_once(first) == first
    assert await records.agents.create_once(second) == first
    assert (await records.agents.page(10)).total == 1
