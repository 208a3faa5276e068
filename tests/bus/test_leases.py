"""One writer a session: the lease, its fence, and the one write of a run."""

import pytest

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Busy, Entry, Grant
from agentsvc.domain.errors import LeaseLost
from agentsvc.domain.events import Custom, encode_event
from agentsvc.domain.ids import RunId
from agentsvc.domain.messages import Msg, decode_message, encode_message
from tests.bus.conftest import OWNER, SESSION, Say, request
from tests.conftest import Until

RUN = RunId("r1")


def happen(*names: str) -> list[bytes]:
    return [encode_event(Custom(name=name)) for name in names]


async def held(bus: RedisMessageBus, worker: str = "w1") -> Grant:
    grant = await bus.leases.take(request(run=RUN), worker)
    assert isinstance(grant, Grant)
    return grant


async def test_an_idle_session_is_not_taken(bus: RedisMessageBus) -> None:
    assert await bus.leases.take(request(), "w1") is None


async def test_a_held_session_is_busy_for_everybody_else(bus: RedisMessageBus, say: Say) -> None:
    await say("hello")
    await held(bus)

    taken = await bus.leases.take(request(), "w2")

    assert isinstance(taken, Busy)
    assert 0 < taken.seconds <= 0.2


async def test_a_lease_whose_grant_was_lost_is_granted_again_with_all_that_is_known(
    bus: RedisMessageBus, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    await say("hello")
    before = await held(bus)
    written = Entry(done=[entry for entry, _ in before.inbox], context=[b"{}"], state=b"{}")
    await bus.leases.write(before, 1, [], written)
    await bus.leases.release(before, "idle")
    await say("again")
    monkeypatch.setattr("agentsvc.bus.leases.new_id", lambda: "t2")

    grants = [await bus.leases.take(request(run="r2"), "w1", before.token) for _ in range(2)]

    first, second = grants
    assert isinstance(first, Grant)
    assert isinstance(second, Grant)
    assert (first.fence, first.run_id, first.inbox) == (second.fence, second.run_id, second.inbox)
    assert (first.known, first.context, first.state) == (True, [], b"")
    assert (second.known, second.context, second.state) == (False, [b"{}"], b"{}")


async def test_a_silent_holder_loses_the_session_and_writes_nothing_more(
    bus: RedisMessageBus, say: Say, until: Until
) -> None:
    await say("hello")
    old = await held(bus)

    async def taken_over() -> Grant | None:
        taken = await bus.leases.take(request(run="r2"), "w2")
        return taken if isinstance(taken, Grant) else None

    new = await until(taken_over, "the lease has expired")

    assert new.resumed
    assert new.run_id == old.run_id
    assert new.fence == old.fence + 1
    with pytest.raises(LeaseLost):
        await bus.leases.write(old, 1, happen("late"), Entry(context=[b"{}"], state=b"{}"))
    with pytest.raises(LeaseLost):
        await bus.leases.release(old, "idle")
    assert [each.held for each in await bus.leases.renew([old, new])] == [False, True]
    assert (await bus.log.read(SESSION, 0, 10)).events == []


async def test_one_write_moves_everything_together(bus: RedisMessageBus, say: Say) -> None:
    asked = await say("hello")
    grant = await held(bus)
    reply = Msg(name="Bo", role="assistant", content=[])
    entry = Entry(
        mark="start",
        done=[grant.inbox[0][0]],
        context=[encode_message(asked), encode_message(reply)],
        messages=[(reply.id, encode_message(reply))],
        state=b'{"session_id":"s1"}',
    )

    await bus.leases.write(grant, 1, happen("start"), entry)

    head = await bus.heads.get(OWNER, SESSION)
    again = await bus.leases.take(request(), "w2")
    assert (head.seq, head.reply_seq, head.running) == (1, 1, True)
    assert isinstance(again, Busy)
    assert await bus.inbox.waiting(SESSION) == []
    assert (await bus.log.read(SESSION, 0, 10)).events == [(1, happen("start")[0])]
    assert (await bus.transcripts.page(SESSION, 10))[0] == [asked, reply]


async def test_a_write_whose_answer_was_lost_can_be_sent_again(bus: RedisMessageBus, say: Say) -> None:
    await say("hello")
    grant = await held(bus)
    kept, changed = Msg.user("kept"), Msg.user("changed")
    await bus.leases.write(grant, 1, happen("a"), Entry(context=[encode_message(kept)]))
    entry = Entry(keep=1, context=[encode_message(changed)], messages=[(changed.id, encode_message(changed))])

    await bus.leases.write(grant, 2, happen("b", "c"), entry)
    await bus.leases.write(grant, 2, happen("b", "c"), entry)

    await bus.leases.release(grant, "running")
    resumed = await held(bus, "w2")
    assert [seq for seq, _ in (await bus.log.read(SESSION, 0, 10)).events] == [1, 2, 3]
    assert [decode_message(raw) for raw in resumed.context] == [kept, changed]
    assert resumed.seq == 3


async def test_a_missing_batch_is_noticed(bus: RedisMessageBus, say: Say) -> None:
    await say("hello")
    grant = await held(bus)

    with pytest.raises(LeaseLost):
        await bus.leases.write(grant, 2, happen("b"), Entry())


async def test_a_holder_cannot_leave_while_something_waits(bus: RedisMessageBus, say: Say) -> None:
    await say("one")
    grant = await held(bus)
    await bus.leases.write(grant, 1, [], Entry(done=[grant.inbox[0][0]]))
    await say("two")

    assert await bus.leases.release(grant, "idle") == "waiting"

    waiting = await bus.inbox.waiting(SESSION)
    await bus.leases.write(grant, 1, [], Entry(done=[waiting[0][0]]))
    assert await bus.leases.release(grant, "idle") == "released"
    assert (await bus.heads.get(OWNER, SESSION)).status == "idle"


async def test_a_stop_reaches_the_holder_with_its_next_write_and_ends_with_the_reply(
    bus: RedisMessageBus, say: Say
) -> None:
    await say("hello")
    grant = await held(bus)
    before = await bus.leases.write(grant, 1, happen("a"), Entry(mark="start"))

    await bus.inbox.interrupt(request())

    during = await bus.leases.write(grant, 2, happen("b"), Entry())
    await bus.leases.write(grant, 3, happen("c"), Entry(mark="end"))
    after = await bus.leases.write(grant, 4, happen("d"), Entry(mark="start"))
    assert [each.stop for each in (before, during, after)] == [None, "now", None]


async def test_the_log_is_trimmed_by_whole_replies_and_never_inside_the_last(bus: RedisMessageBus, say: Say) -> None:
    await say("hello")
    grant = await held(bus)
    seq = 1
    for size in (4, 4, 4, 30):
        await bus.leases.write(grant, seq, happen("start"), Entry(mark="start"))
        events = happen(*("more" for _ in range(size - 1)))
        await bus.leases.write(grant, seq + 1, events, Entry(mark="end"))
        seq += size
        oldest = (await bus.log.bounds(SESSION)).oldest
        assert oldest == {5: 1, 9: 1, 13: 5, 43: 13}[seq]

    assert (await bus.log.bounds(SESSION)).latest == 42
    assert [number for number, _ in (await bus.log.read(SESSION, 0, 100)).events] == list(range(13, 43))


async def test_a_session_is_given_to_nobody_in_the_name_of_another_owner(bus: RedisMessageBus, say: Say) -> None:
    await say("hello")

    assert await bus.leases.take(request(owner="mallory"), "w1") is None
    assert await bus.leases.take(request(agent="a2"), "w1") is None
    assert isinstance(await bus.leases.take(request(), "w1"), Grant)


async def test_a_release_whose_answer_was_lost_is_done_although_something_new_waits(
    bus: RedisMessageBus, say: Say
) -> None:
    await say("one")
    grant = await held(bus)
    await bus.leases.write(grant, 1, [], Entry(done=[grant.inbox[0][0]]))
    await bus.leases.release(grant, "idle")
    await say("two")

    assert await bus.leases.release(grant, "idle") == "released"
    with pytest.raises(LeaseLost):
        await bus.leases.write(grant, 1, happen("late"), Entry())


async def test_a_stop_after_the_end_of_a_reply_does_not_mean_the_next_one(bus: RedisMessageBus, say: Say) -> None:
    await say("one")
    grant = await held(bus)
    await bus.leases.write(grant, 1, happen("a"), Entry(mark="start", done=[grant.inbox[0][0]]))
    await bus.leases.write(grant, 2, happen("b"), Entry(mark="end"))

    await bus.inbox.interrupt(request())

    await say("two")
    assert await bus.leases.release(grant, "idle") == "waiting"
    assert (await bus.leases.write(grant, 3, happen("c"), Entry(mark="start"))).stop is None


async def test_a_holder_that_dies_is_counted_and_one_that_hands_over_is_not(
    bus: RedisMessageBus, say: Say, until: Until
) -> None:
    await say("one")

    async def taken() -> Grant | None:
        grant = await bus.leases.take(request(), "w1")
        return grant if isinstance(grant, Grant) else None

    grants = [await until(taken, "the lease is free") for _ in range(3)]
    await bus.leases.release(grants[-1], "running")
    again = await until(taken, "the session is free")

    assert [grant.attempts for grant in grants] == [0, 1, 2]
    assert again.attempts == 2


async def test_an_end_that_is_written_again_takes_no_stop_away_from_what_comes_next(
    bus: RedisMessageBus, say: Say
) -> None:
    await say("one")
    grant = await held(bus)
    await bus.leases.write(grant, 1, happen("a"), Entry(mark="start", done=[grant.inbox[0][0]]))
    await say("two")
    await bus.leases.write(grant, 2, happen("b"), Entry(mark="end"))
    await bus.inbox.interrupt(request())

    await bus.leases.write(grant, 2, happen("b"), Entry(mark="end"))

    assert (await bus.leases.write(grant, 3, happen("c"), Entry(mark="start"))).stop == "now"


async def test_a_stop_that_is_asked_for_again_since_its_answer_was_lost_does_not_mean_the_next_reply(
    bus: RedisMessageBus, say: Say
) -> None:
    await say("one")
    grant = await held(bus)
    await bus.leases.write(grant, 1, happen("a"), Entry(mark="start", done=[grant.inbox[0][0]]))
    stop = request()
    await bus.inbox.interrupt(stop)
    await bus.leases.write(grant, 2, happen("b"), Entry(mark="end"))
    await bus.leases.write(grant, 3, happen("c"), Entry(mark="start"))

    await bus.inbox.interrupt(stop)

    assert (await bus.leases.write(grant, 4, happen("d"), Entry())).stop is None


async def test_a_reply_that_ends_with_its_first_write_leaves_nothing_that_could_be_stopped(
    bus: RedisMessageBus, say: Say
) -> None:
    await say("one")
    grant = await held(bus)
    await bus.leases.write(grant, 1, happen("a"), Entry(mark="start", done=[grant.inbox[0][0]]))
    await bus.leases.write(grant, 2, happen("b"), Entry(mark="next"))
    await bus.leases.write(grant, 3, happen("c", "d"), Entry(mark="end"))

    await bus.inbox.interrupt(request())

    assert (await bus.leases.write(grant, 5, happen("e"), Entry(mark="start"))).stop is None


async def test_replies_that_end_with_their_first_write_are_trimmed_too(bus: RedisMessageBus, say: Say) -> None:
    await say("one")
    grant = await held(bus)
    for number in range(10):
        for _ in range(2):  # as when the answer was lost
            await bus.leases.write(grant, 1 + 3 * number, happen("a", "b", "c"), Entry(mark="end"))

    assert (await bus.log.bounds(SESSION)).oldest == 22


async def test_a_reply_that_has_ended_counts_no_holders_that_died_before(
    bus: RedisMessageBus, say: Say, until: Until
) -> None:
    await say("one")
    await say("two")

    async def taken() -> Grant | None:
        grant = await bus.leases.take(request(), "w1")
        return grant if isinstance(grant, Grant) else None

    grants = [await until(taken, "the lease is free") for _ in range(3)]
    await bus.leases.write(grants[-1], 1, happen("a", "b"), Entry(mark="end", done=[grants[-1].inbox[0][0]]))
    again = await until(taken, "the lease is free")

    assert (grants[-1].attempts, again.attempts) == (2, 1)
