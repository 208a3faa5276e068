"""What becomes of a message when the session is at work, or waits for somebody."""

import pytest

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.inbox import Inbox
from agentsvc.bus.leases import Entry, Grant
from agentsvc.domain.errors import Overloaded, SessionBusy
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import BusyPolicy, Closing, Messages, Stop, decode_input
from tests.approvals import park
from tests.bus.conftest import AGENT, OWNER, SESSION, Say, request


async def sent(bus: RedisMessageBus, policy: BusyPolicy, message: Msg | None = None) -> Msg:
    message = message or Msg.user("next")
    await bus.inbox.accept(request(), Messages([message], interrupt=policy == "interrupt"), [message], policy)
    return message


async def taken(bus: RedisMessageBus) -> Grant:
    grant = await bus.leases.take(request(), "w1")
    assert isinstance(grant, Grant)
    return grant


async def replying(bus: RedisMessageBus, say: Say) -> Grant:
    """A run that has begun a reply."""
    await say("hello")
    grant = await taken(bus)
    await bus.leases.write(grant, 1, [b"{}"], Entry(mark="start", done=[entry for entry, _ in grant.inbox]))
    return grant


async def inputs(bus: RedisMessageBus) -> list[object]:
    return [decode_input(raw) for _, raw in await bus.inbox.waiting(SESSION)]


@pytest.mark.parametrize("policy", ["queue", "reject", "interrupt"])
async def test_an_idle_session_takes_every_message(bus: RedisMessageBus, policy: BusyPolicy) -> None:
    message = await sent(bus, policy)

    assert (await bus.transcripts.page(SESSION, 10))[0] == [message]
    assert (await taken(bus)).stop is None


@pytest.mark.parametrize("busy", ["waiting", "running", "handed over", "parked"])
async def test_a_message_that_does_not_wait_is_refused_and_leaves_nothing(
    bus: RedisMessageBus, say: Say, busy: str
) -> None:
    if busy == "parked":
        await park(bus, OWNER, AGENT, SESSION)
    elif busy == "waiting":
        await say("hello")
    else:
        grant = await replying(bus, say)
        if busy == "handed over":
            await bus.leases.release(grant, "running")
    before = await bus.transcripts.page(SESSION, 10), await bus.inbox.waiting(SESSION), await bus.queue.unannounced(-1)

    with pytest.raises(SessionBusy):
        await sent(bus, "reject")

    after = await bus.transcripts.page(SESSION, 10), await bus.inbox.waiting(SESSION), await bus.queue.unannounced(-1)
    assert after == before


async def test_a_message_that_was_accepted_is_accepted_again_though_the_session_is_busy_by_now(
    bus: RedisMessageBus,
) -> None:
    message = await sent(bus, "reject")
    await taken(bus)

    await sent(bus, "reject", message)

    assert (await bus.transcripts.page(SESSION, 10))[0] == [message]


async def test_a_message_that_interrupts_stops_the_reply_and_waits_for_its_end(bus: RedisMessageBus, say: Say) -> None:
    grant = await replying(bus, say)

    message = await sent(bus, "interrupt")

    heard = await bus.leases.write(grant, 2, [b"{}"], Entry(mark="end"))
    after = await bus.leases.write(grant, 3, [b"{}"], Entry(mark="start"))
    assert (heard.stop, heard.waiting, after.stop) == ("now", 1, None)
    assert await inputs(bus) == [Messages([message], interrupt=True)]


async def test_a_message_that_interrupts_a_run_about_to_leave_stops_nothing(bus: RedisMessageBus, say: Say) -> None:
    grant = await replying(bus, say)
    await bus.leases.write(grant, 2, [b"{}"], Entry(mark="end"))

    await sent(bus, "interrupt")

    assert await bus.leases.release(grant, "idle") == "waiting"
    assert (await bus.leases.write(grant, 3, [b"{}"], Entry(mark="start"))).stop is None


async def test_a_message_that_interrupts_closes_a_parked_reply_first(bus: RedisMessageBus) -> None:
    await park(bus, OWNER, AGENT, SESSION)

    message = await sent(bus, "interrupt")
    await sent(bus, "interrupt", message)

    assert await inputs(bus) == [Closing("now"), Messages([message], interrupt=True)]


async def test_only_so_many_messages_wait_but_an_answer_always_does(bus: RedisMessageBus) -> None:
    inbox = Inbox(bus._redis, 1, limit=2)
    for text in ("one", "two"):
        message = Msg.user(text)
        await inbox.accept(request(), Messages([message]), [message], "queue")
    three = Msg.user("three")

    with pytest.raises(Overloaded):
        await inbox.accept(request(), Messages([three]), [three], "queue")
    await inbox.accept(request(), Closing())

    assert len((await bus.transcripts.page(SESSION, 10))[0]) == 2
    assert len(await inbox.waiting(SESSION)) == 3


async def test_messages_that_a_parked_reply_keeps_count_as_waiting(bus: RedisMessageBus, say: Say) -> None:
    grant = await replying(bus, say)
    await bus.leases.write(grant, 2, [], Entry(kept=2))
    inbox, message = Inbox(bus._redis, 1, limit=2), Msg.user("more")

    with pytest.raises(Overloaded):
        await inbox.accept(request(), Messages([message]), [message], "queue")


@pytest.mark.parametrize(
    ("wishes", "counts"),
    [
        (["step"], "step"),
        (["step", "now"], "now"),
        (["now", "step"], "now"),
        (["discard", "now", "step"], "discard"),
    ],
)
async def test_a_wish_to_stop_never_weakens_a_stronger_one(
    bus: RedisMessageBus, say: Say, wishes: list[Stop], counts: Stop
) -> None:
    grant = await replying(bus, say)

    for wish in wishes:
        await bus.inbox.interrupt(request(), wish)

    assert (await bus.leases.renew([grant]))[0].stop == counts
    await sent(bus, "interrupt")
    assert (await bus.leases.renew([grant]))[0].stop == ("discard" if counts == "discard" else "now")


@pytest.mark.parametrize("stop", ["step", "now", "discard"])
async def test_a_run_cannot_leave_a_parked_reply_that_shall_stop_and_is_told_how(
    bus: RedisMessageBus, say: Say, stop: Stop
) -> None:
    grant = await replying(bus, say)
    await bus.inbox.interrupt(request(), stop)

    assert await bus.leases.release(grant, "awaiting_permission") == stop

    assert (await bus.leases.renew([grant]))[0].held


async def test_a_message_that_is_taken_back_is_in_the_transcript_no_more(bus: RedisMessageBus, say: Say) -> None:
    asked = await say("hello")
    grant = await taken(bus)
    reply = Msg(id="r1", name="bob", role="assistant", content=[])
    await bus.leases.write(grant, 1, [b"{}"], Entry(mark="start", messages=[(reply.id, b'{"id":"r1"}')]))

    await bus.leases.write(grant, 2, [b"{}"], Entry(mark="end", messages=[(reply.id, b"")]))

    assert (await bus.transcripts.page(SESSION, 10))[0] == [asked]
