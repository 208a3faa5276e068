"""One run: it answers what waits, moves log, context and inbox together, and can be gone on with by another worker."""

import asyncio
from typing import Any

import pytest

from agentsvc.agent.tool import tool
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.keys import SessionKeys
from agentsvc.bus.leases import Grant, Heard, Release
from agentsvc.domain import events as ev
from agentsvc.domain.errors import LeaseLost
from agentsvc.domain.fold import Fold
from agentsvc.domain.messages import Msg, decode_message
from agentsvc.domain.runs import Messages
from agentsvc.domain.sessions import Status
from tests.conftest import Until
from tests.fakes.models import call, text
from tests.redis_kinds.chosen import only_standalone
from tests.redis_kinds.clients import connected
from tests.runs.conftest import OWNER, SESSION, Actors, Say, granted, request, run_of


async def logged(bus: RedisMessageBus) -> list[ev.Event]:
    """All events of the session; each is numbered as its place in the log says."""
    events: list[ev.Event] = []
    for seq, raw in (await bus.log.read(SESSION, 0, 100_000)).events:
        event = ev.decode_event(raw)
        assert not isinstance(event, ev.Unknown)
        assert event.id == str(seq)
        events.append(event)
    assert [int(event.id) for event in events] == list(range(1, len(events) + 1))
    return events


def folds(events: list[ev.Event]) -> list[Msg]:
    """The messages that a client makes of a log."""
    replies: list[Fold] = []
    for event in events:
        if isinstance(event, ev.ReplyStart):
            replies.append(Fold.start(event))
        elif replies:
            replies[-1].apply(event)
    return [fold.message() for fold in replies]


async def transcript(bus: RedisMessageBus) -> list[Msg]:
    return (await bus.transcripts.page(SESSION, 200))[0]


async def test_a_run_answers_and_leaves_the_session_idle(bus: RedisMessageBus, say: Say) -> None:
    asked = await say("hi")
    run = await run_of(bus, Actors(text("Hel", "lo")))

    assert await run.carry_out()

    said, reply = await transcript(bus)
    head = await bus.heads.get(OWNER, SESSION)
    assert said == asked
    assert reply.text() == "Hello"
    assert folds(await logged(bus)) == [reply]
    assert (head.status, head.reply_seq) == ("idle", 0)
    assert await bus.inbox.waiting(SESSION) == []


async def test_what_waits_is_answered_in_order_each_by_a_reply_of_its_own(bus: RedisMessageBus, say: Say) -> None:
    await say("one")
    await say("two")
    actors = Actors(text("1"), text("2"))

    await (await run_of(bus, actors)).carry_out()

    assert [each.text() for each in await transcript(bus)] == ["one", "two", "1", "2"]
    asked = [[each.text() for each in request.messages] for request in actors.model.requests]
    assert asked == [["Be brief.", "one"], ["Be brief.", "one", "1", "two"]]


async def test_what_comes_in_during_the_run_is_answered_by_it(bus: RedisMessageBus, say: Say) -> None:
    await say("one")
    gate = asyncio.Event()
    task = asyncio.create_task((await run_of(bus, Actors([gate, *text("1")], text("2")))).carry_out())
    await say("two")

    gate.set()
    await task

    assert [each.text() for each in await transcript(bus)] == ["one", "two", "1", "2"] or [
        each.text() for each in await transcript(bus)
    ] == ["one", "1", "two", "2"]
    assert not (await bus.heads.get(OWNER, SESSION)).running


async def test_the_next_run_knows_what_was_said(bus: RedisMessageBus, say: Say) -> None:
    await say("one")
    await (await run_of(bus, Actors(text("1")))).carry_out()
    await say("two")
    actors = Actors(text("2"))

    await (await run_of(bus, actors, "w2")).carry_out()

    assert [each.text() for each in actors.model.requests[0].messages] == ["Be brief.", "one", "1", "two"]


async def test_a_burst_is_merged_and_folds_to_the_same(bus: RedisMessageBus, say: Say) -> None:
    await say("hi")
    pieces = [f"{number} " for number in range(2000)]
    run = await run_of(bus, Actors(text(*pieces)))

    await run.carry_out()

    events = await logged(bus)
    assert folds(events)[0].text() == "".join(pieces)
    assert sum(isinstance(event, ev.TextBlockDelta) for event in events) < 200


async def test_an_interrupt_ends_the_reply_and_answers_what_comes_after(
    bus: RedisMessageBus, say: Say, until: Until
) -> None:
    await say("one")
    run = await run_of(bus, Actors([*text("Hel"), asyncio.Event()], text("2")))
    task = asyncio.create_task(run.carry_out())

    async def streaming() -> bool:
        return any(isinstance(event, ev.TextBlockDelta) for event in await logged(bus))

    await until(streaming, "the reply streams")
    await say("two")

    await bus.inbox.interrupt(request())
    assert [each.stop for each in await bus.leases.renew([run.grant])] == ["now"]
    run.interrupt("now")
    await task

    replies = folds(await logged(bus))
    assert [(each.text(), each.finished_reason) for each in replies] == [("Hel", "interrupted"), ("2", "completed")]


async def test_a_run_that_lost_its_lease_writes_nothing_more(bus: RedisMessageBus, say: Say, until: Until) -> None:
    await say("hi")
    gate = asyncio.Event()
    run = await run_of(bus, Actors([*text("Hel"), gate, *text("lo")]))
    task = asyncio.create_task(run.carry_out())
    await until(lambda: run.writer.wrote_at, "something is written")

    async def taken_over() -> bool:
        return isinstance(await bus.leases.take(request(), "w2"), Grant)

    await until(taken_over, "another worker holds the session")
    before = await logged(bus)
    gate.set()

    with pytest.raises(LeaseLost):
        await task
    assert await logged(bus) == before
    assert (await transcript(bus))[-1].finished_reason is None


async def test_another_worker_goes_on_with_the_same_reply(bus: RedisMessageBus, say: Say, until: Until) -> None:
    runs: list[str] = []

    @tool(always_allowed=True)
    async def look(at: str) -> str:
        runs.append(at)
        return f"seen {at}"

    await say("hi")
    first = await run_of(bus, Actors(call("look", '{"at":"a"}'), [*text("half"), asyncio.Event()], tools=[look]))
    task = asyncio.create_task(first.carry_out())

    async def half() -> bool:
        return any(isinstance(event, ev.TextBlockDelta) for event in await logged(bus))

    await until(half, "the second answer streams")

    first.hand_over()
    assert not await task
    second = await run_of(bus, Actors(text("Done"), tools=[look]), "w2")
    assert await second.carry_out()

    events = await logged(bus)
    (reply,) = folds(events)
    assert runs == ["a"]
    assert reply.text() == "Done"
    assert reply == (await transcript(bus))[-1]
    assert [event.name for event in events if isinstance(event, ev.Custom)] == [ev.REPLY_RESUMED]
    assert len([event for event in events if isinstance(event, ev.ReplyStart)]) == 1


async def test_a_removed_session_ends_its_run(bus: RedisMessageBus, say: Say, until: Until) -> None:
    await say("hi")
    gate = asyncio.Event()
    run = await run_of(bus, Actors([*text("Hel"), gate, *text("lo")]))
    task = asyncio.create_task(run.carry_out())
    await until(lambda: run.writer.wrote_at, "something is written")

    await bus.heads.remove(SESSION)
    gate.set()

    with pytest.raises(LeaseLost):
        await task


async def test_an_answer_to_a_question_nobody_asks_is_dropped_in_silence(bus: RedisMessageBus) -> None:
    await bus.inbox.accept(request(), ev.UserConfirmResult(reply_id="r", confirm_results=[]))

    assert await (await run_of(bus, Actors())).carry_out()

    assert await logged(bus) == []
    assert await bus.inbox.waiting(SESSION) == []


async def test_a_turn_without_input_is_a_reply(bus: RedisMessageBus) -> None:
    await bus.inbox.accept(request(), Messages([]))

    await (await run_of(bus, Actors(text("Hello")))).carry_out()

    assert [each.text() for each in await transcript(bus)] == ["Hello"]


async def test_a_stop_that_came_before_the_run_ends_its_first_reply_only(bus: RedisMessageBus, say: Say) -> None:
    await say("one")
    await bus.inbox.interrupt(request())
    await say("two")
    actors = Actors(text("2"))

    run = await run_of(bus, actors)
    await run.carry_out()

    assert [each.finished_reason for each in folds(await logged(bus))] == ["interrupted", "completed"]
    assert run.grant.fence == 1
    assert await granted_or_none(bus) is None


async def granted_or_none(bus: RedisMessageBus) -> object:
    return await bus.leases.take(request(), "w9")


async def test_a_grant_asked_for_again_is_the_same_grant(bus: RedisMessageBus, say: Say) -> None:
    await say("hi")
    first = await granted(bus)

    assert first.fence == 1
    assert not first.resumed


async def test_a_step_whose_answer_was_lost_and_that_is_written_again_is_remembered_once(
    bus: RedisMessageBus, say: Say, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    await say("one")
    await (await run_of(bus, Actors(text("1")))).carry_out()
    asked = await say("two")
    write = bus.leases.write

    async def twice(*args: Any) -> Heard:
        await write(*args)
        return await write(*args)

    monkeypatch.setattr(bus.leases, "write", twice)
    run = await run_of(bus, Actors([asyncio.Event()]))
    task = asyncio.create_task(run.carry_out())
    await until(lambda: run.writer.wrote_at, "the reply has begun")

    run.hand_over()
    await task

    remembered = [decode_message(raw) for raw in (await granted(bus, "w2")).context]
    assert [message.text() for message in remembered] == ["one", "1", "two", None]
    assert remembered[2] == asked


@pytest.mark.parametrize("reason", ["handed over", "not renewed"])
async def test_a_run_that_ends_for_two_reasons_ends_once(
    bus: RedisMessageBus, say: Say, until: Until, reason: str
) -> None:
    await say("hi")
    gate = asyncio.Event()
    run = await run_of(bus, Actors([*text("Hel"), gate, *text("lo")]))
    task = asyncio.create_task(run.carry_out())
    await until(lambda: run.writer.wrote_at, "something is written")
    await bus.heads.remove(SESSION)
    run.writer.append(ev.Custom(name="anything"))

    if reason == "handed over":
        run.hand_over()
    else:
        run.lose()

    with pytest.raises(LeaseLost):
        await task


async def test_a_lease_that_is_given_back_is_not_lost_to_a_renewal_that_came_late(
    bus: RedisMessageBus, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    await say("hi")
    run = await run_of(bus, Actors(text("Hello")))
    release = bus.leases.release

    async def answered_late(grant: Grant, status: Status) -> Release:
        """Redis gives the lease back, then answers the renewal, and then this."""
        answer = await release(grant, status)
        (renewal,) = await bus.leases.renew([grant])
        assert not renewal.held
        run.lose()
        return answer

    monkeypatch.setattr(bus.leases, "release", answered_late)

    assert await run.carry_out()


async def test_what_cannot_be_read_any_more_does_not_make_a_session_unusable(bus: RedisMessageBus, say: Say) -> None:
    await say("one")
    await (await run_of(bus, Actors(text("1")))).carry_out()
    names = SessionKeys(SESSION)
    await bus._redis.all(("SET", names.state, "{broken"), ("LSET", names.context, 0, "{broken"))
    await say("two")
    actors = Actors(text("2"))

    await (await run_of(bus, actors, "w2")).carry_out()

    assert [each.text() for each in actors.model.requests[0].messages] == ["Be brief.", "1", "two"]
    assert (await transcript(bus))[-1].text() == "2"
    context = await bus._redis.run("LRANGE", names.context, 0, -1)
    assert [decode_message(raw).text() for raw in context] == ["1", "two", "2"]


async def test_an_unreadable_entry_of_the_inbox_is_dropped_and_the_next_one_answered(
    bus: RedisMessageBus, say: Say
) -> None:
    await bus._redis.run("XADD", SessionKeys(SESSION).inbox, "*", "i", '{"type":"from a later version"}')
    await say("hi")

    await (await run_of(bus, Actors(text("Hello")))).carry_out()

    assert [each.text() for each in await transcript(bus)] == ["hi", "Hello"]
    assert await bus.inbox.waiting(SESSION) == []


@only_standalone("one server is filled")
async def test_a_redis_that_is_full_for_a_while_loses_nothing(
    bus: RedisMessageBus, say: Say, redis_url: str, until: Until
) -> None:
    await say("hi")
    gate = asyncio.Event()
    run = await run_of(bus, Actors([*text("Hel"), gate, *text("lo")]))
    task = asyncio.create_task(run.carry_out())
    await until(lambda: run.writer.wrote_at, "something is written")
    with connected(redis_url) as admin:
        admin.config_set("maxmemory", 1)
        gate.set()

        def refusing() -> bool:
            return int(admin.info("errorstats").get("errorstat_OOM", {}).get("count", 0)) > 0

        await until(refusing, "Redis refuses")
        admin.config_set("maxmemory", 0)

    assert await task
    (reply,) = folds(await logged(bus))
    assert (reply.text(), reply.finished_reason) == ("Hello", "completed")


async def test_an_event_that_cannot_be_written_ends_the_writing(bus: RedisMessageBus, say: Say) -> None:
    await say("hi")
    run = await run_of(bus, Actors(text("Hello")))
    run.writer.append(ev.Custom(name="odd", value={"x": object()}))

    with pytest.raises(TypeError):
        await run.writer.settle()
    run.writer.append(ev.Custom(name="later"))

    with pytest.raises(TypeError):
        await run.writer.settle()
    assert (await bus.log.read(SESSION, 0, 10)).events == []


async def test_media_count_against_what_may_wait(bus: RedisMessageBus, say: Say) -> None:
    await say("hi")
    run = await run_of(bus, Actors())
    media = ev.DataBlockDelta(reply_id="r", block_id="b", data="A" * 300_000, media_type="audio/wav")

    run.writer.append(media)
    full = run.writer.full
    await run.writer.settle()

    assert full
    assert not run.writer.full
