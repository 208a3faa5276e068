"""A stop ends a reply wherever it is: all is closed, one end says so, and the session can be used."""

import asyncio
from collections.abc import Callable

import pytest

from agentsvc.agent.context.pairing import paired
from agentsvc.agent.loop import Reply
from agentsvc.agent.tool import tool
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.messages import Base64Source, DataBlock, Msg, ToolCallBlock, ToolResultBlock
from tests.agent.places import PLACES, RECORDED, Held, Place, compression, concurrent, tools
from tests.agent.replies import Notebook, Talk
from tests.fakes.models import ScriptedModel, call, text


def results(message: Msg) -> list[str]:
    return [block.state for block in message.content if isinstance(block, ToolResultBlock)]


def whole(talk: Talk) -> None:
    """Nothing is open, and the events say what the agent remembers."""
    message = talk.state.context[-1]
    calls = [block for block in message.content if isinstance(block, ToolCallBlock)]
    assert message == talk.folded() == talk.reply.message
    assert [each.state for each in calls] == ["finished"] * len(calls)
    assert len(results(message)) == len(calls)
    for kind in ("TEXT_BLOCK", "THINKING_BLOCK", "TOOL_CALL", "TOOL_RESULT", "MODEL_CALL", "REPLY"):
        assert talk.kinds().count(f"{kind}_START") == talk.kinds().count(f"{kind}_END")
    assert [event.finished_reason for event in talk.of(ev.ReplyEnd)] == ["interrupted"]
    assert talk.kinds()[-1] == "REPLY_END"
    assert talk.state.reply_context.reply_id == ""
    assert paired([message]) == [message] * bool(message.content)


async def test_a_stop_is_heard_while_what_was_sent_is_put_away() -> None:
    place = Place()

    async def shelf(name_hint: str, data: bytes) -> str | None:
        await place.wait()
        return None

    model = ScriptedModel(text("Hello"))
    model.input_types = ("text/plain",)
    talk = Talk(model, offload=shelf)
    sent = DataBlock(source=Base64Source(data="aGk=", media_type="audio/mpeg"))
    task = asyncio.create_task(talk.go_on([Msg(name="user", role="user", content=[sent])]))
    await asyncio.wait_for(place.reached.wait(), 5)

    talk.interruption.request()
    message = await asyncio.wait_for(task, 5)

    assert message.finished_reason == "interrupted"
    whole(talk)
    assert talk.state.context[0].content == [sent]


@pytest.mark.parametrize("at", PLACES)
async def test_a_stop_closes_everything_and_the_next_turn_works(at: Callable[[Place], Talk]) -> None:
    place = Place()
    talk = at(place)
    task = asyncio.create_task(talk.say("go"))
    await asyncio.wait_for(place.reached.wait(), 5)

    talk.interruption.request()
    message = await asyncio.wait_for(task, 5)

    assert place.left
    assert task.cancelling() == 0
    assert message.finished_reason == "interrupted"
    whole(talk)
    talk.interruption.reset()
    talk.reload()
    again = await talk.say("again")
    assert (again.text(), again.finished_reason) == ("Hello", "completed")


async def test_a_stop_is_heard_while_the_result_of_a_client_is_put_away() -> None:
    place = Place()

    async def shelf(name_hint: str, data: bytes) -> str | None:
        await place.wait()
        return None

    @tool(external=True)
    async def locate() -> str:
        """Where the user is."""
        raise AssertionError("the client carries it out")

    config = ContextConfig(tool_result_limit=10)
    talk = Talk(ScriptedModel(call("locate")), tools=[locate], offload=shelf, context_config=config)
    message = await talk.say("go")
    seen = list(talk.events)
    [asked] = [block for block in message.content if isinstance(block, ToolCallBlock)]
    result = ToolResultBlock(id=asked.id, name=asked.name, output="far away, " * 60, state="success")
    talk.interruption.reset()
    given = ev.ExternalExecutionResult(reply_id=message.id, execution_results=[result])
    task = asyncio.create_task(talk.go_on(answer=given))
    await asyncio.wait_for(place.reached.wait(), 5)

    talk.interruption.request()
    message = await asyncio.wait_for(task, 5)

    assert (results(message), message.finished_reason) == (["success"], "interrupted")
    talk.events[:0] = seen
    whole(talk)


class SlowNotebook(Notebook):
    """Keeps nothing for as long as it likes."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    async def settle(self) -> None:
        await self._place.wait()


async def test_a_stop_is_heard_while_the_journal_is_waited_for_and_no_tool_runs() -> None:
    @tool
    async def touch() -> str:
        """Touch."""
        raise AssertionError("the journal has not kept that it begins")

    place = Place()
    talk = Talk(ScriptedModel(call("touch")), tools=[touch])
    talk.journal = SlowNotebook(place)
    task = asyncio.create_task(talk.say("go"))
    await asyncio.wait_for(place.reached.wait(), 5)

    talk.interruption.request()
    message = await asyncio.wait_for(task, 5)

    assert results(message) == ["interrupted"]
    whole(talk)


async def test_what_was_done_before_the_stop_stays_and_the_rest_is_interrupted() -> None:
    place = Place()
    talk = concurrent(place)
    task = asyncio.create_task(talk.say("go"))
    await place.reached.wait()
    await talk.until(ev.ToolResultEnd)

    talk.interruption.request()
    message = await task

    assert sorted(results(message)) in (
        ["interrupted", "success", "success"],
        ["interrupted", "interrupted", "success"],
    )
    assert "so far" in str(message.content)


async def test_a_stop_during_the_compression_keeps_the_history() -> None:
    place = Place()
    talk = compression(place)
    task = asyncio.create_task(talk.say("go"))
    await place.reached.wait()

    talk.interruption.request()
    await task

    model = talk.agent.model
    assert isinstance(model, Held)
    assert "Write the summary" in str(model.requests[0].messages[-1].text())
    assert [each.text() for each in talk.state.context] == ["x" * 4000, "yes", "go", None]
    assert talk.state.summary == ""


async def test_a_parked_reply_is_closed_and_the_next_turn_works() -> None:
    @tool
    async def touch() -> str:
        """Make a file."""
        raise AssertionError("nobody allowed it")

    @tool(external=True)
    async def locate() -> str:
        """Where the user is."""
        raise AssertionError("the client carries it out")

    two = [*call("touch"), *call("locate", index=1)]
    talk = Talk(ScriptedModel(two, text("Hello")), tools=[touch, locate], mode="default")
    await talk.say("go")
    seen = list(talk.events)
    talk.reload()
    talk.interruption.request()

    message = await talk.go_on()

    assert results(message) == ["interrupted", "interrupted"]
    talk.events[:0] = seen
    whole(talk)
    assert {each.status for each in talk.state.approvals} == {"withdrawn"}
    talk.interruption.reset()
    talk.reload()
    assert (await talk.say("again")).text() == "Hello"


@pytest.mark.parametrize("at", RECORDED)
async def test_a_timeout_fires_and_what_was_recorded_can_be_gone_on_with(at: Callable[[Place], Talk]) -> None:
    place = Place()
    talk = at(place)

    async def hold_up() -> None:
        async with asyncio.timeout(None) as limit:
            waiting = asyncio.create_task(place.reached.wait())
            waiting.add_done_callback(lambda _: limit.reschedule(0))
            await talk.say("go")

    with pytest.raises(TimeoutError):
        await hold_up()

    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert place.left
    assert not talk.of(ev.ReplyEnd)
    seen = list(talk.events)
    talk.state = talk.journal.recorded[-1]
    talk.reload()
    talk.interruption.request()
    message = await talk.go_on()
    assert message.finished_reason == "interrupted"
    talk.events[:0] = seen
    assert talk.folded() == message


@pytest.mark.parametrize("events", range(1, 12))
async def test_a_reply_that_is_not_read_to_its_end_is_left_cleanly(events: int) -> None:
    two = [*text("So"), *call("quick"), *call("quick", index=1)]
    talk = Talk(ScriptedModel(two, text("Done")), tools=tools(Place()))
    reply = talk.journal.reply = Reply(talk.agent, talk.state, talk.journal, talk.interruption, talk.clock)
    generator = reply.events([Msg.user("go")])
    for _ in range(events):
        await anext(generator)

    await generator.aclose()

    assert [task for task in asyncio.all_tasks() if task.get_name().startswith("tool ")] == []
    with pytest.raises(StopAsyncIteration):
        await anext(generator)
