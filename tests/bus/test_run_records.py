"""What is written down of a run while it is asked for, carried out and ended."""

from typing import Any

import pytest

from agentsvc.bus import keys
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Entry, Grant
from agentsvc.domain.ids import RunId
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Messages, name_of
from agentsvc.domain.sessions import Status
from tests.approvals import park
from tests.bus.conftest import AGENT, OWNER, SESSION, Say, request
from tests.conftest import Until


async def record(bus: RedisMessageBus, run_id: RunId) -> dict[str, str]:
    fields: list[bytes] = await bus._redis.run("HGETALL", keys.of_session(SESSION).run + name_of(run_id))
    return {name.decode(): value.decode() for name, value in zip(fields[::2], fields[1::2], strict=True)}


async def names(bus: RedisMessageBus) -> list[bytes]:
    found: list[bytes] = await bus._redis.run("ZRANGE", keys.of_session(SESSION).runs, 0, -1)
    return found


async def asked(bus: RedisMessageBus) -> RunId:
    message = Msg.user("hello")
    return (await bus.inbox.accept(request(), Messages([message]), [message])).run_id


async def taken(bus: RedisMessageBus, worker: str = "w1") -> Grant:
    grant = await bus.leases.take(request(), worker)
    assert isinstance(grant, Grant)
    return grant


async def test_a_run_is_known_from_the_moment_its_message_is(bus: RedisMessageBus) -> None:
    run_id = await asked(bus)
    await asked(bus)

    known = await record(bus, run_id)
    assert (known["status"], known["cause"]) == ("queued", "chat")
    assert await names(bus) == [name_of(run_id).encode()]


async def test_a_run_tells_who_is_at_it_and_for_the_how_manieth_time(bus: RedisMessageBus, until: Until) -> None:
    run_id = await asked(bus)
    first = await taken(bus)
    begun = await record(bus, run_id)
    await bus.leases.release(first, "running")
    handed_over = await record(bus, run_id)

    second = await taken(bus, "w2")

    known = await record(bus, run_id)
    assert first.run_id == second.run_id == run_id
    assert (begun["status"], begun["worker"], begun["attempts"]) == ("running", "w1", "1")
    assert handed_over["status"] == "queued"
    assert (known["status"], known["worker"], known["attempts"]) == ("running", "w2", "2")
    assert (known["started"], known["created"]) == (begun["started"], begun["created"])


async def test_a_grant_asked_for_again_is_one_attempt(bus: RedisMessageBus, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = await asked(bus)
    monkeypatch.setattr("agentsvc.bus.leases.new_id", lambda: "t1")

    for _ in range(2):
        await taken(bus)

    assert (await record(bus, run_id))["attempts"] == "1"


async def test_who_goes_on_with_a_run_is_told_what_it_has_used(bus: RedisMessageBus) -> None:
    await asked(bus)
    grant = await taken(bus)
    for _ in range(2):  # as when the answer was lost
        await bus.leases.write(grant, 1, [b"{}"], Entry(run={"input": 10, "output": 4, "reply": "m1"}))
    await bus.leases.release(grant, "running")

    resumed = await taken(bus, "w2")

    assert (resumed.input_tokens, resumed.output_tokens, resumed.reply_id) == (10, 4, "m1")
    assert 0 <= resumed.age_s < 60


@pytest.mark.parametrize(
    ("status", "outcome", "told"),
    [
        ("idle", None, "completed"),
        ("idle", "interrupted", "interrupted"),
        ("idle", "exceeded", "exceeded"),
        ("awaiting_permission", None, "parked"),
        ("awaiting_external_result", "completed", "parked"),
    ],
)
async def test_an_ended_run_says_how_and_is_forgotten_in_time(
    bus: RedisMessageBus, status: Status, outcome: str | None, told: str
) -> None:
    run_id = await asked(bus)
    grant = await taken(bus)
    run: dict[str, Any] = {} if outcome is None else {"outcome": outcome}
    await bus.leases.write(grant, 1, [], Entry(done=[entry for entry, _ in grant.inbox], run=run))

    for _ in range(2):
        assert await bus.leases.release(grant, status) == "released"

    known = await record(bus, run_id)
    assert known["status"] == told
    assert int(known["ended"]) >= int(known["started"]) >= int(known["created"])
    assert await bus._redis.run("PTTL", keys.of_session(SESSION).run + name_of(run_id)) > 0


async def test_a_run_that_closes_a_parked_reply_has_its_cause(bus: RedisMessageBus) -> None:
    await park(bus, OWNER, AGENT, SESSION)

    accepted = await bus.inbox.interrupt(request())

    assert accepted is not None
    assert (await record(bus, accepted.run_id))["cause"] == "interrupt"


async def test_the_list_of_runs_forgets_those_that_are_gone(redis_url: str, until: Until) -> None:
    async with RedisMessageBus(redis_url, run_keep_s=0.05) as bus:
        await bus.heads.create(OWNER, SESSION, AGENT)
        first = await ended(bus)

        async def gone() -> bool:
            return await record(bus, first) == {}

        await until(gone, "the first run is forgotten")
        last = await ended(bus)

        assert await names(bus) == [name_of(last).encode()]


async def ended(bus: RedisMessageBus) -> RunId:
    run_id = await asked(bus)
    grant = await taken(bus)
    await bus.leases.write(grant, grant.seq + 1, [], Entry(done=[entry for entry, _ in grant.inbox]))
    await bus.leases.release(grant, "idle")
    return run_id


async def test_the_runs_of_a_session_go_with_it(bus: RedisMessageBus, say: Say) -> None:
    await say("hello")
    await taken(bus)

    await bus.heads.remove(SESSION)

    assert await bus._redis.run("KEYS", "{s:*") == []
