"""A run is read as it was recorded, by nobody but its owner, and a walk through the list meets each one once."""

from typing import Any

import pytest

from agentsvc.bus import keys
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.domain.errors import Invalid, NotFound
from agentsvc.domain.ids import AgentId, OwnerId, RunId, SessionId
from agentsvc.domain.messages import ErrorInfo
from agentsvc.domain.runs import RunView, run_id_of
from tests.bus.conftest import AGENT, OWNER, SESSION
from tests.recorded_runs import AT, expire, record
from tests.redis_kinds.clients import connected

MALLORY, OTHER = OwnerId("mallory"), SessionId("s2")


async def walk(bus: RedisMessageBus, limit: int) -> list[RunView]:
    found: list[RunView] = []
    cursor: str | None = None
    while True:
        page = await bus.runs.page(OWNER, SESSION, limit, cursor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_a_run_is_read_as_it_was_recorded(bus: RedisMessageBus) -> None:
    run_id = record(
        bus.url,
        SESSION,
        "n1",
        cause="confirm",
        started=AT + 250,
        ended=AT + 1_500,
        status="error",
        attempts=2,
        worker="w1",
        reply="r1",
        input=120,
        output=7,
        error=b'{"type":"rate_limit","message":"Too much."}',
    )

    run = await bus.runs.get(OWNER, run_id)

    assert run == RunView(
        id=RunId("s1.n1"),
        session_id=SESSION,
        agent_id=AGENT,
        cause="confirm",
        status="error",
        attempts=2,
        worker="w1",
        created_at="2026-11-18T09:06:40.000000+00:00",
        started_at="2026-11-18T09:06:40.250000+00:00",
        ended_at="2026-11-18T09:06:41.500000+00:00",
        input_tokens=120,
        output_tokens=7,
        reply_id="r1",
        error=ErrorInfo(type="rate_limit", message="Too much."),
    )


async def test_a_run_that_nobody_has_taken_has_only_been_asked_for(bus: RedisMessageBus) -> None:
    run = await bus.runs.get(OWNER, record(bus.url, SESSION))

    assert (run.status, run.attempts, run.worker, run.started_at, run.ended_at) == ("queued", 0, None, None, None)
    assert (run.input_tokens, run.output_tokens, run.reply_id, run.error) == (0, 0, None, None)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": b"\xff"}, {"status": "queued"}),
        ({"status": "dancing"}, {"status": "queued"}),
        ({"cause": ""}, {"cause": "chat"}),
        ({"attempts": "many", "input": "-1", "output": "1e99"}, {"attempts": 0, "input_tokens": 0, "output_tokens": 0}),
        ({"started": "soon", "ended": "9" * 40}, {"started_at": None, "ended_at": None}),
        ({"created": "-"}, {"created_at": "1970-01-01T00:00:00.000000+00:00"}),
        ({"worker": b"\xff", "reply": b"\xff"}, {"worker": None, "reply_id": None}),
        ({"error": "{"}, {"error": ErrorInfo()}),
        ({"error": '{"type":"of tomorrow"}'}, {"error": ErrorInfo()}),
    ],
)
async def test_what_cannot_be_read_of_a_run_is_as_if_it_had_not_been_recorded(
    bus: RedisMessageBus, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    run_id = record(bus.url, SESSION, **fields)

    run = await bus.runs.get(OWNER, run_id)

    assert {name: getattr(run, name) for name in expected} == expected
    assert (await bus.runs.page(OWNER, SESSION, 10)).items == [run]


@pytest.mark.parametrize(
    "run_id",
    [
        *("", ".", "x", "s1", "s1.", ".n1", "s1.n2", "s1..n1", "s9.n1", "{s1}.n1", "s1.{n1}", "s1/n1", "s1:run.n1"),
        pytest.param("s1." + "n" * 100_000, id="long name"),
        pytest.param("s" * 100_000 + ".n1", id="long session"),
    ],
)
async def test_what_is_no_run_is_not_found(bus: RedisMessageBus, run_id: str) -> None:
    record(bus.url, SESSION, "n1")

    with pytest.raises(NotFound):
        await bus.runs.get(OWNER, RunId(run_id))


async def test_the_id_of_a_session_may_hold_what_keys_are_made_of(bus: RedisMessageBus) -> None:
    session = SessionId("a.b{c}:run")
    await bus.heads.create(OWNER, session, AGENT)
    run_id = record(bus.url, session, "n1")

    run = await bus.runs.get(OWNER, run_id)

    assert (run.id, run.session_id) == ("a.b{c}:run.n1", session)


async def test_nobody_sees_the_runs_of_somebody_else(bus: RedisMessageBus) -> None:
    run_id = record(bus.url, SESSION)

    with pytest.raises(NotFound):
        await bus.runs.get(MALLORY, run_id)
    with pytest.raises(NotFound):
        await bus.runs.page(MALLORY, SESSION, 10)
    with pytest.raises(NotFound):
        await bus.runs.page(OWNER, SESSION, 10, agent_id=AgentId("a2"))


async def test_a_run_without_its_session_is_not_there(bus: RedisMessageBus) -> None:
    run_id = record(bus.url, SESSION)
    with connected(bus.url) as client:
        client.delete(keys.of_session(SESSION).head)

    with pytest.raises(NotFound):
        await bus.runs.get(OWNER, run_id)
    with pytest.raises(NotFound):
        await bus.runs.page(OWNER, SESSION, 10)

    await bus.heads.create(OWNER, SESSION, AGENT)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 23, 24])
async def test_a_walk_meets_each_run_once_and_the_newest_first(bus: RedisMessageBus, limit: int) -> None:
    """Also those that were asked for in the same millisecond, which stand in the order of their names."""
    places = [(AT + number // 4, f"{number * 7919 % 23:02}") for number in range(23)]
    for at, name in places:
        record(bus.url, SESSION, name, at=at)

    found = await walk(bus, limit)

    assert [run.id for run in found] == [run_id_of(SESSION, name) for _, name in sorted(places, reverse=True)]
    assert (await bus.runs.page(OWNER, SESSION, 1)).total == 23


async def test_a_walk_is_not_moved_by_what_begins_or_expires_meanwhile(bus: RedisMessageBus) -> None:
    for number in range(6):
        record(bus.url, SESSION, f"n{number}", at=AT + number // 2)

    first = await bus.runs.page(OWNER, SESSION, 2)
    record(bus.url, SESSION, "n9", at=AT + 9)
    expire(bus.url, SESSION, "n4")
    expire(bus.url, SESSION, "n3")
    second = await bus.runs.page(OWNER, SESSION, 2, first.next_cursor)
    third = await bus.runs.page(OWNER, SESSION, 2, second.next_cursor)

    names = [[run.id.removeprefix("s1.") for run in page.items] for page in (first, second, third)]
    assert names == [["n5", "n4"], ["n2"], ["n1", "n0"]]
    assert third.next_cursor is None


async def test_a_session_in_which_nothing_has_run_has_an_empty_list(bus: RedisMessageBus) -> None:
    page = await bus.runs.page(OWNER, SESSION, 10)

    assert (page.items, page.total, page.next_cursor) == ([], 0, None)


async def test_a_cursor_leads_on_in_its_own_list_only(bus: RedisMessageBus) -> None:
    await bus.heads.create(OWNER, OTHER, AGENT)
    for session in (SESSION, OTHER):
        for name in ("n1", "n2"):
            record(bus.url, session, name)
    cursor = (await bus.runs.page(OWNER, OTHER, 1)).next_cursor
    assert cursor is not None

    for wrong in (cursor, cursor[:-4], "", "é", "n1"):
        with pytest.raises(Invalid):
            await bus.runs.page(OWNER, SESSION, 1, wrong)
