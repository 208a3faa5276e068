"""Pages: a walk meets everything once, whatever happens meanwhile, and costs the same in a list of any length."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import redis as sync_redis
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from agentsvc.domain.cursors import cursor_after
from agentsvc.domain.errors import Invalid
from agentsvc.domain.ids import OwnerId, new_id
from agentsvc.kv.client import Redis
from agentsvc.storage.collection import Collection
from agentsvc.storage.store import Records
from tests.redis_kinds.chosen import only_standalone
from tests.redis_kinds.clients import connected
from tests.storage.examples import ADA, BOB, agent, session

Action = tuple[str, int]


async def walked(
    collection: Collection[Any], limit: int, meanwhile: Callable[[], Awaitable[object]] | None = None
) -> list[str]:
    """The ids that a walk from page to page meets."""
    ids: list[str] = []
    cursor: str | None = None
    for _ in range(1000):
        page = await collection.page(limit, cursor)
        ids += [record.id for record in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return ids
        if meanwhile is not None:
            await meanwhile()
    pytest.fail("the walk does not end")


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 11, 1000])
async def test_a_walk_goes_from_the_newest_to_the_oldest(records: Records, limit: int) -> None:
    made = [agent() for _ in range(10)]
    for record in made:
        await records.agents.create(record)

    page = await records.agents.page(limit)

    assert page.total == 10
    assert len(page.items) == min(limit, 10)
    assert (page.next_cursor is None) == (limit >= 10)
    assert await walked(records.agents, limit) == [record.id for record in reversed(made)]


async def test_an_empty_list_has_one_empty_page(records: Records) -> None:
    page = await records.agents.page(10)

    assert (page.items, page.total, page.next_cursor) == ([], 0, None)


async def test_sessions_are_paged_by_agent(records: Records) -> None:
    made = [session(f"agent-{number % 2}") for number in range(10)]
    for record in made:
        await records.sessions.create(record)

    first = await records.sessions.page(3, within="agent-1")
    second = await records.sessions.page(3, first.next_cursor, within="agent-1")

    assert first.total == second.total == 5
    assert first.items + second.items == made[9::-2]
    assert second.next_cursor is None
    assert (await records.sessions.page(3)).total == 10


async def test_what_does_not_lie_within_another_record_is_not_paged_by_one(records: Records) -> None:
    with pytest.raises(ValueError, match="does not lie within"):
        await records.agents.page(10, within="x")


async def test_the_newest_is_first_also_after_the_clock_went_back(kv: Redis, records: Records) -> None:
    first, second, third = agent(), agent(), agent()
    await records.agents.create(first)
    await kv.run("ZADD", records.agents.keys.index, 4_000_000_000_000_000, first.id)

    await records.agents.create(second)
    await records.agents.create(third)

    assert await walked(records.agents, 1) == [third.id, second.id, first.id]


@given(
    size=st.integers(0, 12),
    limit=st.integers(1, 5),
    actions=st.lists(st.lists(st.tuples(st.sampled_from(["create", "delete"]), st.integers(0, 30)), max_size=4)),
)
@hypothesis(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_walk_meets_once_what_is_there_all_the_time(
    kv: Redis, size: int, limit: int, actions: list[list[Action]]
) -> None:
    owner = OwnerId(new_id())
    collection = Records(kv, owner).agents
    order: list[str] = []
    alive: set[str] = set()

    async def create() -> None:
        record = agent(owner)
        await collection.create(record)
        order.append(record.id)
        alive.add(record.id)

    for _ in range(size):
        await create()
    lasting, steps = set(alive), iter(actions)

    async def meanwhile() -> None:
        for action, number in next(steps, []):
            if action == "create":
                await create()
            elif alive:
                victim = sorted(alive)[number % len(alive)]
                await collection.delete(victim)
                alive.remove(victim)
                lasting.discard(victim)

    met = await walked(collection, limit, meanwhile)

    assert len(met) == len(set(met))
    assert lasting <= set(met) <= set(order)
    assert met == sorted(met, key=order.index, reverse=True)


async def test_a_walk_goes_on_when_the_record_of_its_cursor_is_gone(records: Records) -> None:
    made = [agent() for _ in range(4)]
    for record in made:
        await records.agents.create(record)
    first = await records.agents.page(2)

    await records.agents.delete(first.items[-1].id)

    assert (await records.agents.page(2, first.next_cursor)).items == [made[1], made[0]]


async def test_only_a_cursor_of_this_list_is_taken(kv: Redis, records: Records) -> None:
    for owner in (ADA, BOB):
        for _ in range(3):
            await Records(kv, owner).sessions.create(session("agent-1", owner))
    whole = (await records.sessions.page(1)).next_cursor
    within = (await records.sessions.page(1, within="agent-1")).next_cursor
    theirs = (await Records(kv, BOB).sessions.page(1)).next_cursor
    assert whole
    tampered = [
        whole[:place] + ("A" if whole[place] != "A" else "B") + whole[place + 1 :] for place in range(len(whole))
    ]

    for cursor in (within, theirs, "", "x", "ä", "=", whole + "=", whole[:-1], f" {whole}", "A" * 20, *tampered):
        with pytest.raises(Invalid) as refused:
            await records.sessions.page(1, cursor)
        assert [problem.path for problem in refused.value.problems] == ["cursor"]


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_page_has_bounds(records: Records, limit: int) -> None:
    with pytest.raises(Invalid) as refused:
        await records.agents.page(limit)

    assert [problem.path for problem in refused.value.problems] == ["limit"]


@only_standalone("commands are counted on one server")
async def test_a_page_costs_the_same_in_a_list_of_any_length(redis_url: str, kv: Redis) -> None:
    costs = {}
    with connected(redis_url) as server:
        for size in (10, 100_000):
            records = Records(kv, OwnerId(f"owner of {size}"))
            fill(server, records, size)
            middle = cursor_after(records.agents.keys.index, size // 2 + 1)

            server.config_resetstat()
            page = await records.agents.page(4, middle)

            assert len(page.items) == 4
            costs[size] = spent(server)

    assert costs[10] == costs[100_000]
    assert costs[10]["evalsha"] == 1
    assert costs[10]["records read"] == 4


def fill(server: "sync_redis.Redis", records: Records, size: int) -> None:
    """Many records, faster than one after the other."""
    keys = records.agents.keys
    owner = OwnerId(f"owner of {size}")
    for start in range(0, size, 1000):
        ids = [f"{number:032x}" for number in range(start, min(start + 1000, size))]
        server.zadd(keys.index, {name: int(name, 16) + 1 for name in ids})
        server.mset({keys.record + name: msgspec.json.encode(agent(owner, name)) for name in ids})


def spent(server: "sync_redis.Redis") -> dict[str, int]:
    """The calls of each command since the counts were set back, and how many records were read."""
    counted: dict[str, dict[str, int]] = server.info("commandstats")
    calls = {name.removeprefix("cmdstat_"): counts["calls"] for name, counts in counted.items()}
    calls = {name: calls[name] for name in calls if name != "info" and "|" not in name}
    return calls | {"records read": server.info("stats")["keyspace_hits"] - calls["zrange"] - calls["zcard"]}
