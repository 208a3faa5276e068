"""What is wrong is found, put right when that is asked for, and not there any more; what is well is left alone."""

from collections.abc import Awaitable, Callable
from typing import get_args

import pytest

from agentsvc.doctor.findings import MEANINGS, Finding, Kind
from agentsvc.doctor.repair import Repair
from agentsvc.domain.runs import encode_request
from tests.doctor.conftest import ADA, AGENT, WELL, Home
from tests.doctor.faults import BESIDE, LEFT, REPAIRED

Fault = Callable[[Home], Awaitable[None]]


async def test_a_service_that_is_well_has_no_findings(home: Home) -> None:
    await home.bus.queue.push(await home.say(await home.session("waits")))
    await home.say(await home.session("noted"))
    await home.redis.run("SET", "celery", "not ours")

    report = await home.look()

    assert (report.findings, report.foreign, report.well) == ([], 1, True)
    assert report.keys > 10


@pytest.mark.parametrize(("kind", "make"), REPAIRED, ids=lambda each: each if isinstance(each, str) else "")
async def test_a_fault_is_found_repaired_and_gone(home: Home, kind: Kind, make: Fault) -> None:
    await make(home)

    found = await home.look()
    repaired = await home.look(repair=True)
    again = await home.look()

    assert {line.kind for line in found.findings} == {kind, *BESIDE.get(kind, ())}
    assert (found.well, repaired.well, again.well) == (False, True, True)
    assert [line.repaired for line in repaired.findings] == [True] * len(found.findings)
    assert again.findings == []


@pytest.mark.parametrize(("kind", "make"), LEFT, ids=lambda each: each if isinstance(each, str) else "")
async def test_what_only_a_person_can_decide_is_left_alone(home: Home, kind: Kind, make: Fault) -> None:
    await make(home)
    before = await home.keys()

    repaired = await home.look(repair=True)

    assert {line.kind for line in repaired.findings} == {kind}
    assert {line.repaired for line in repaired.findings} == {False}
    assert not repaired.well
    assert await home.keys() == before


def test_every_kind_of_finding_has_a_fault() -> None:
    assert {kind for kind, _ in (*REPAIRED, *LEFT)} == set(get_args(Kind)) == set(MEANINGS)
    assert {kind for kind, _ in REPAIRED} == {kind for kind, meaning in MEANINGS.items() if meaning.remedy}


async def test_all_faults_at_once_are_told_apart(home: Home) -> None:
    for _, make in REPAIRED:
        await make(home)

    repaired = await home.look(repair=True)

    assert repaired.well
    assert (await home.look()).findings == []
    assert [each.id for each in (await home.storage.of(ADA).agents.page(10)).items] == [AGENT]
    assert await home.bus.heads.many(ADA, [WELL]) != [None]


async def test_a_session_that_moves_on_is_well(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    request = await home.say(await home.session("quick"))
    await home.redis.run("DEL", "{q:0}:accepting")
    looks = 0

    async def serve(_: float) -> None:
        nonlocal looks
        looks += 1
        await home.bus.leases.take(request, "w1")
        await home.redis.run("DEL", "{s:quick}:inbox")
        await home.redis.run("HDEL", "{s:quick}:run", "worker")
        await home.redis.run("HSET", "{s:quick}:run", "status", "idle")
        await home.say(request.session_id)
        await home.redis.run("DEL", "{q:0}:accepting")

    monkeypatch.setattr("agentsvc.doctor.examination.asyncio.sleep", serve)

    assert (await home.look()).findings == []
    assert looks == 1


async def test_sessions_whose_records_are_kept_elsewhere_are_left_alone(home: Home) -> None:
    await home.say(WELL)
    await home.redis.run("ZADD", "{q:0}:removing", 1, '["ada","session","well"]')
    records = [name for name in await home.keys() if name.startswith(b"{o:")]
    await home.redis.each(*(("DEL", name) for name in records))

    repaired = await home.look(repair=True)

    assert {line.kind: line.repaired for line in repaired.findings} == {"unowned-session": False, "late-removal": False}
    assert "records" in str(repaired)
    assert not repaired.well
    assert await home.bus.heads.many(ADA, [WELL]) != [None]


async def test_a_list_shows_again_what_was_put_back(home: Home) -> None:
    names = ["first", "second", "third"]
    for name in names:
        await home.session(name)
    await home.redis.run("ZREM", "{o:ada}:session", "second")

    await home.look(repair=True)

    sessions = home.storage.of(ADA).sessions
    assert [each.id for each in (await sessions.page(10)).items] == ["third", "second", "first", WELL]


async def test_a_run_that_was_stuck_is_taken_by_the_next_worker(home: Home) -> None:
    await dict(REPAIRED)["stuck-run"](home)

    await home.look(repair=True)

    (ticket,) = await home.bus.queue.claim(0, "next", 10, 1000)
    assert (ticket.request.owner, ticket.request.session_id) == (ADA, "stuck")
    grant = await home.bus.leases.take(ticket.request, "next")
    assert getattr(grant, "resumed", None)


async def test_a_claim_is_left_to_a_worker_that_was_faster(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    await dict(REPAIRED)["silent-claim"](home)
    repair = Repair.repair

    async def late(self: Repair, finding: Finding) -> bool:
        await home.bus.queue.reclaim(0, "living", 0, 10)
        return await repair(self, finding)

    monkeypatch.setattr(Repair, "repair", late)
    await home.look(repair=True)

    pending = await home.redis.run("XPENDING", "{q:0}:runs", "workers", "-", "+", 10)
    assert [worker for _, worker, *_ in pending] == [b"living"]
    assert await home.redis.run("XLEN", "{q:0}:runs") == 1


async def test_a_worker_that_drains_is_not_gone(home: Home) -> None:
    await dict(REPAIRED)["silent-worker"](home)
    await home.redis.run("HSET", "{w:dead}:presence", "draining", 1)
    await home.redis.run("PEXPIRE", "{w:dead}:presence", 60_000)

    assert (await home.look()).findings == []


async def test_requests_in_other_shards_are_seen(home: Home) -> None:
    await home.say(await home.session("far"))
    await home.redis.run("DEL", "{q:0}:accepting")
    await home.redis.run("XADD", "{q:7}:runs", "*", "r", encode_request(home.request("far")))

    assert (await home.look()).findings == []


async def test_more_than_can_be_seen_at_once_is_said_and_repaired_bit_by_bit(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agentsvc.doctor.examination._MOST", 10)
    monkeypatch.setattr("agentsvc.doctor.examination._BATCH", 5)
    for number in range(1000):
        await home.redis.run("SET", f"{{s:{number}}}:state", "{}")

    first = await home.look(repair=True)
    while not (last := await home.look(repair=True)).complete:
        pass

    assert not first.complete
    assert not first.well
    assert last.well
    assert {key for key in await home.keys() if key.endswith(b":state")} == set()
