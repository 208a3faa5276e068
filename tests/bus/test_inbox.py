"""What is accepted is kept once, under its owner, and found again when nobody was told."""

import pytest

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Grant
from agentsvc.domain.errors import Conflict, NotFound
from agentsvc.domain.ids import OwnerId
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Messages, RunRequest, decode_input
from tests.approvals import park
from tests.bus.conftest import AGENT, OWNER, SESSION, Say, request


async def test_an_accepted_message_is_in_the_transcript_and_in_the_inbox(bus: RedisMessageBus, say: Say) -> None:
    message = await say("hello")

    transcript, more = await bus.transcripts.page(SESSION, 10)
    inbox = await bus.inbox.waiting(SESSION)
    assert (transcript, more) == ([message], False)
    assert [decode_input(raw) for _, raw in inbox] == [Messages([message])]


async def test_the_same_message_twice_is_one_message_of_one_run(bus: RedisMessageBus) -> None:
    message, ask = Msg.user("hello"), request()

    first = await bus.inbox.accept(ask, Messages([message]), [message])
    second = await bus.inbox.accept(request(), Messages([message]), [message])

    assert first.new
    assert not second.new
    assert first.run_id == second.run_id == ask.run_id
    assert len(await bus.inbox.waiting(SESSION)) == 1


async def test_messages_that_wait_together_share_a_run(bus: RedisMessageBus) -> None:
    one, two = Msg.user("one"), Msg.user("two")

    first = await bus.inbox.accept(request(), Messages([one]), [one])
    second = await bus.inbox.accept(request(), Messages([two]), [two])

    assert first.run_id == second.run_id


async def test_a_message_for_a_session_that_is_held_goes_to_the_run_that_holds_it(
    bus: RedisMessageBus, say: Say
) -> None:
    await say("one")
    grant = await bus.leases.take(request(), "w1")
    assert isinstance(grant, Grant)
    two = Msg.user("two")

    accepted = await bus.inbox.accept(request(), Messages([two]), [two])

    assert accepted.run_id == grant.run_id


async def test_a_message_id_that_stands_for_something_else_is_refused(bus: RedisMessageBus, say: Say) -> None:
    known = await say("hello")
    fresh = Msg.user("new")

    with pytest.raises(Conflict):
        await bus.inbox.accept(request(), Messages([known, fresh]), [known, fresh])

    transcript, _ = await bus.transcripts.page(SESSION, 10)
    assert transcript == [known]


@pytest.mark.parametrize(
    "stranger", [request(owner="mallory"), request(agent="a2"), request(session="nowhere"), request(session="{s:s1}")]
)
async def test_who_does_not_own_the_session_leaves_no_trace(bus: RedisMessageBus, stranger: RunRequest) -> None:
    message = Msg.user("hello")

    with pytest.raises(NotFound):
        await bus.inbox.accept(stranger, Messages([message]), [message])
    with pytest.raises(NotFound):
        await bus.inbox.interrupt(stranger)

    assert await bus.inbox.waiting(SESSION) == []
    assert await bus.queue.unannounced(-1) == []


async def test_a_message_nobody_was_told_of_is_found_until_its_run_is_asked_for(bus: RedisMessageBus, say: Say) -> None:
    await say("hello")

    found = await bus.queue.unannounced(-1)
    await bus.queue.push(found[0])

    assert [(each.owner, each.session_id, each.agent_id) for each in found] == [(OWNER, SESSION, AGENT)]
    assert await bus.queue.unannounced(-1) == []


async def test_an_interrupt_of_an_idle_session_asks_for_nothing(bus: RedisMessageBus) -> None:
    assert await bus.inbox.interrupt(request()) is None

    assert await bus.inbox.waiting(SESSION) == []
    assert not (await bus.heads.get(OWNER, SESSION)).running


async def test_an_interrupt_of_a_parked_reply_is_found_though_nobody_was_told_of_it(bus: RedisMessageBus) -> None:
    await park(bus, OWNER, AGENT, SESSION)
    await bus.queue.push((await bus.queue.unannounced(-1))[0])

    first = await bus.inbox.interrupt(request())
    noted = await bus.queue.unannounced(-1)
    again = await bus.inbox.interrupt(request())

    assert first is not None
    assert again is not None
    assert (first.new, again.new, again.run_id) == (True, False, first.run_id)
    assert [each.session_id for each in noted] == [SESSION]
    assert len(await bus.inbox.waiting(SESSION)) == 1


async def test_an_interrupt_of_a_reply_in_flight_has_nothing_to_be_announced(bus: RedisMessageBus, say: Say) -> None:
    await say("hello")
    await bus.queue.push((await bus.queue.unannounced(-1))[0])
    await bus.leases.take(request(), "w1")

    assert await bus.inbox.interrupt(request()) is None
    assert await bus.queue.unannounced(-1) == []


async def test_an_interrupt_before_the_run_begins_reaches_the_run(bus: RedisMessageBus, say: Say) -> None:
    await say("hello")

    await bus.inbox.interrupt(request())

    grant = await bus.leases.take(request(), "w1")
    assert isinstance(grant, Grant)
    assert grant.stop


async def test_a_session_is_hidden_from_everybody_but_its_owner(bus: RedisMessageBus) -> None:
    assert (await bus.heads.get(OWNER, SESSION, AGENT)).agent_id == AGENT

    with pytest.raises(NotFound):
        await bus.heads.get(OwnerId("mallory"), SESSION)


async def test_what_is_refused_takes_nobody_elses_note_away(bus: RedisMessageBus, say: Say) -> None:
    known = await say("hello")
    with pytest.raises(Conflict):
        await bus.inbox.accept(request(), Messages([known, Msg.user("new")]), [known, Msg.user("new")])

    assert len(await bus.queue.unannounced(-1)) == 1


async def test_a_request_that_is_announced_leaves_the_note_of_another(bus: RedisMessageBus, say: Say) -> None:
    await say("one")
    two, asked = Msg.user("two"), request()
    await bus.inbox.accept(asked, Messages([two]), [two])

    await bus.queue.push(asked)

    assert len(await bus.queue.unannounced(-1)) == 1


async def test_an_unreadable_note_holds_nobody_up(bus: RedisMessageBus, say: Say) -> None:
    await bus._redis.run("ZADD", "{q:0}:accepting", 1, "nonsense")
    await say("hello")

    assert len(await bus.queue.unannounced(-1)) == 1
    assert await bus._redis.run("ZSCORE", "{q:0}:accepting", "nonsense") is None


async def test_a_turn_without_a_message_is_kept_once_also_when_its_answer_was_lost(bus: RedisMessageBus) -> None:
    asked = request()

    first = await bus.inbox.accept(asked, Messages([]))
    again = await bus.inbox.accept(asked, Messages([]))

    assert first.run_id == again.run_id == asked.run_id
    assert len(await bus.inbox.waiting(SESSION)) == 1


async def test_a_message_for_a_run_that_was_handed_over_goes_to_that_run(bus: RedisMessageBus, say: Say) -> None:
    await say("one")
    grant = await bus.leases.take(request(), "w1")
    assert isinstance(grant, Grant)
    await bus.leases.release(grant, "running")
    two = Msg.user("two")

    accepted = await bus.inbox.accept(request(), Messages([two]), [two])

    resumed = await bus.leases.take(request(), "w2")
    assert isinstance(resumed, Grant)
    assert accepted.run_id == resumed.run_id == grant.run_id
