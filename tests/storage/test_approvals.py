"""The records of approvals follow the sessions, whatever is repeated, late or lost on the way."""

import pytest

from agentsvc.domain.approvals import Approval, ApprovalRecord, recorded
from agentsvc.domain.errors import Invalid
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.kv.client import Redis
from agentsvc.storage.store import Records
from tests.approvals import answered, approval, call_of
from tests.storage.examples import ADA, session
from tests.storage.losing import LosingRedis


@pytest.fixture
async def talk(records: Records) -> SessionId:
    made = session("a1")
    await records.sessions.create(made)
    return SessionId(made.id)


def record_of(talk: SessionId, question: Approval, owner: OwnerId = ADA) -> ApprovalRecord:
    return recorded(owner, AgentId("a1"), talk, question, call_of(question))


async def pending(records: Records, talk: SessionId | None = None) -> list[str]:
    page = await records.approvals.page_pending(100, within=talk)
    assert page.total == len(page.items)
    return [each.id for each in page.items]


async def every(records: Records, talk: SessionId | None = None) -> list[str]:
    return [each.id for each in (await records.approvals.page(100, within=talk)).items]


async def test_what_waits_is_listed_newest_first_of_all_sessions_and_of_one(records: Records, talk: SessionId):
    other = session("a1")
    await records.sessions.create(other)

    await records.approvals.project(talk, [record_of(talk, approval("c1")), record_of(talk, approval("c2"))])
    await records.approvals.project(SessionId(other.id), [record_of(SessionId(other.id), approval("c3"))])

    assert await pending(records) == await every(records) == ["c3", "c2", "c1"]
    assert await pending(records, talk) == await every(records, talk) == ["c2", "c1"]


async def test_what_is_projected_again_stays_as_it_is(records: Records, talk: SessionId, kv: Redis):
    first, second = record_of(talk, approval("c1")), record_of(talk, answered(approval("c2")))
    await records.approvals.project(talk, [first, second])
    before = await kv.run("ZRANGE", records.approvals.keys.index, 0, -1, "WITHSCORES")

    await records.approvals.project(talk, [first, second])

    assert await kv.run("ZRANGE", records.approvals.keys.index, 0, -1, "WITHSCORES") == before
    assert await records.approvals.many(["c1", "none", "c2"]) == [first, second]


async def test_an_answered_one_waits_no_longer_and_is_kept(records: Records, talk: SessionId):
    question = approval()
    await records.approvals.project(talk, [record_of(talk, question)])

    await records.approvals.project(talk, [record_of(talk, answered(question, "denied", "bob"))])

    found = await records.approvals.get("c1")
    assert (found.status, found.answered_by, found.version) == ("denied", "bob", 2)
    assert found.created_at == question.asked_at
    assert (await pending(records), await pending(records, talk)) == ([], [])
    assert (await every(records), await every(records, talk)) == (["c1"], ["c1"])


async def test_who_comes_late_with_an_older_state_changes_nothing(records: Records, talk: SessionId):
    question = approval()
    await records.approvals.project(talk, [record_of(talk, answered(question, "approved"))])

    for stale in (question, answered(question, "denied")):
        await records.approvals.project(talk, [record_of(talk, stale)])

    assert (await records.approvals.get("c1")).status == "approved"
    assert await pending(records) == []


@pytest.mark.parametrize("told", [False, True])
async def test_a_call_that_was_confirmed_may_wait_again_for_its_result(
    records: Records, talk: SessionId, *, told: bool
):
    first, second = approval(), approval(kind="external_execution")
    stages = [first, *([answered(first)] if told else []), second, answered(second, "executed")]
    listed: list[list[str]] = []

    for at, stage in enumerate(stages):
        for late in stages[: at + 1] if at == len(stages) - 2 else (stage,):
            await records.approvals.project(talk, [record_of(talk, late)])
        listed.append(await pending(records, talk))
        assert (await records.approvals.get("c1")).status == stage.status

    assert listed == [["c1"], *([[]] if told else []), ["c1"], []]
    assert await every(records) == await every(records, talk) == ["c1"]
    assert (await records.approvals.get("c1")).version == 4


async def test_nothing_is_kept_of_a_session_that_is_gone(records: Records, talk: SessionId, kv: Redis):
    await records.sessions.delete(talk)

    kept = await records.approvals.project(talk, [record_of(talk, approval())])

    assert kept is False
    assert [key for key in await kv.run("KEYS", "*") if b":wrote:" not in key] == []


async def test_only_so_many_answered_ones_are_kept(records: Records, talk: SessionId, kv: Redis):
    waiting = record_of(talk, approval("w"))
    await records.approvals.project(talk, [waiting])
    for number in range(5):
        gone = record_of(talk, answered(approval(f"c{number}")))
        await records.approvals.project(talk, [gone], keep=3)

    assert await every(records) == await every(records, talk) == ["c4", "c3", "c2", "w"]
    assert await pending(records) == ["w"]
    assert await records.approvals.many([f"c{number}" for number in range(2)]) == []
    assert await kv.run("EXISTS", f"{records.approvals.keys.record}c0") == 0


async def test_a_projection_whose_answer_was_lost_is_repeated(losing: LosingRedis, kv: Redis):
    records = Records(losing, ADA)
    made = session("a1")
    await Records(kv, ADA).sessions.create(made)

    await records.approvals.project(SessionId(made.id), [record_of(SessionId(made.id), approval())])
    await records.approvals.project(SessionId(made.id), [record_of(SessionId(made.id), answered(approval()))])

    assert (await every(records), await pending(records)) == (["c1"], [])


async def test_forgetting_leaves_nothing_of_one_session_and_all_of_the_others(
    records: Records, talk: SessionId, kv: Redis
):
    other = session("a1")
    await records.sessions.create(other)
    kept = record_of(SessionId(other.id), approval("k"))
    await records.approvals.project(SessionId(other.id), [kept])
    questions = [approval("c1"), answered(approval("c2")), approval("odd id:{}")]
    await records.approvals.project(talk, [record_of(talk, each) for each in questions])

    for _ in range(2):
        await records.approvals.forget(talk)

    assert await every(records) == await pending(records) == ["k"]
    assert [key for key in await kv.run("KEYS", "*approval*") if talk.encode() in key] == []
    assert await kv.run("ZCARD", "{o:ada}:answered-approval") == 0


async def test_old_ones_cost_nothing_when_what_waits_is_listed(records: Records, talk: SessionId):
    await records.approvals.project(talk, [record_of(talk, answered(approval(f"c{n}"))) for n in range(300)])
    await records.approvals.project(talk, [record_of(talk, approval("w"))])

    first = await records.approvals.page(10)
    page = await records.approvals.page_pending(10)

    assert (page.total, page.next_cursor, [each.id for each in page.items]) == (1, None, ["w"])
    assert first.total == 301
    with pytest.raises(Invalid):
        await records.approvals.page_pending(10, first.next_cursor)


async def test_an_owner_has_only_their_own(records: Records, talk: SessionId, kv: Redis):
    await records.approvals.project(talk, [record_of(talk, approval())])
    bob = Records(kv, OwnerId("bob"))

    stolen = await bob.approvals.project(talk, [record_of(talk, approval("c2"), OwnerId("bob"))])

    assert stolen is False
    assert await every(bob) == []
    assert await bob.approvals.many(["c1"]) == []
