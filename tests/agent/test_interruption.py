"""An interruption ends the reply, whatever it waits for; a cancellation keeps its meaning."""

import asyncio

import pytest

from agentsvc.agent.interruption import Interrupted, Interruption
from agentsvc.agent.tool import tool
from agentsvc.domain import events as ev
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, Step, call, text


async def interrupted(talk: Talk, after: type[ev.Event]) -> None:
    """Say something, interrupt after such an event, and see the end."""
    task = asyncio.create_task(talk.say("hi"))
    await talk.until(after)
    talk.interruption.request()
    await task
    assert task.cancelling() == 0


async def test_while_the_model_has_not_begun() -> None:
    model = ScriptedModel([asyncio.Event()], text("Hello"))
    talk = Talk(model)

    await interrupted(talk, ev.ReplyStart)

    assert talk.kinds() == ["REPLY_START", "REPLY_END"]
    assert talk.reply.message.finished_reason == "interrupted"
    assert model.closed == 1


async def test_while_the_model_streams() -> None:
    steps: list[Step] = [*text("Hel"), asyncio.Event()]
    model = ScriptedModel(steps, text("Hello"))
    talk = Talk(model)

    await interrupted(talk, ev.TextBlockDelta)

    assert [event.finished_reason for event in talk.of(ev.ModelCallEnd)] == ["interrupted"]
    assert len(talk.of(ev.TextBlockEnd)) == 1
    assert talk.reply.message.text() == "Hel"
    assert talk.reply.message == talk.folded()
    assert model.closed == 1


async def test_while_tools_run_side_by_side() -> None:
    cancelled: list[str] = []

    @tool
    async def wait(x: str) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(x)
            raise
        return x

    two = [*call("wait", '{"x":"a"}', 0), *call("wait", '{"x":"b"}', 1), *call("alone", "{}", 2)]

    @tool(concurrent=False)
    async def alone() -> str:
        raise AssertionError("it must not run")

    talk = Talk(ScriptedModel(two, text("Hello")), tools=[wait, alone])
    await interrupted(talk, ev.ToolResultStart)

    assert sorted(cancelled) in (["a", "b"], [])
    assert [event.state for event in talk.of(ev.ToolResultEnd)] == ["interrupted"] * 3
    assert talk.kinds()[-1] == "REPLY_END"
    assert talk.reply.message == talk.folded()


async def test_the_next_turn_works_and_is_not_meant() -> None:
    talk = Talk(ScriptedModel([*text("Hel"), asyncio.Event()], text("Hello")))
    await interrupted(talk, ev.TextBlockDelta)
    talk.interruption.reset()

    message = await talk.say("again")

    assert (message.text(), message.finished_reason) == ("Hello", "completed")


async def test_before_the_reply_begins_the_model_is_not_asked() -> None:
    model = ScriptedModel(text("Hello"))
    talk = Talk(model)
    talk.interruption.request()

    message = await talk.say("hi")

    assert model.requests == []
    assert message.finished_reason == "interrupted"


async def test_a_timeout_around_a_reply_fires_and_leaves_no_end() -> None:
    talk = Talk(ScriptedModel([*text("Hel"), asyncio.Event()]))

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await talk.say("hi")

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert not talk.of(ev.ReplyEnd)


async def test_a_wait_that_swallows_the_cancellation_is_interrupted_all_the_same() -> None:
    interruption = Interruption()

    async def stubborn() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "swallowed"
        return "never"

    async def guarded() -> str:
        with interruption:
            return await stubborn()

    task = asyncio.create_task(guarded())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    interruption.request()

    with pytest.raises(Interrupted):
        await task


async def test_a_cancellation_from_outside_passes_through() -> None:
    interruption = Interruption()

    async def guarded() -> None:
        with interruption:
            await asyncio.Event().wait()

    task = asyncio.create_task(guarded())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert not interruption.requested


async def test_a_cancellation_wins_over_an_interruption_at_the_same_moment() -> None:
    interruption = Interruption()

    async def guarded() -> None:
        with interruption:
            await asyncio.Event().wait()

    task = asyncio.create_task(guarded())
    await asyncio.sleep(0)
    interruption.request()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
