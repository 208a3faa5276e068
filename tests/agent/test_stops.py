"""A stop ends a reply wherever it is: all is closed, one end says so, and the session can be used."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from agentsvc.agent.agent import AgentMiddleware, Handler
from agentsvc.agent.context.pairing import paired
from agentsvc.agent.context.summary import SUMMARY_SCHEMA
from agentsvc.agent.loop import Reply
from agentsvc.agent.model import TextDelta, ToolCallDelta
from agentsvc.agent.permissions import Decision
from agentsvc.agent.tool import ToolBase, tool
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.messages import Base64Source, DataBlock, Msg, TextBlock, ToolCallBlock, ToolResultBlock
from agentsvc.domain.states import AgentState
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, Step, call, text, thinking


class Place:
    """Where a reply is held up until it is stopped."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.left = False

    async def wait(self) -> None:
        self.reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left = True


class Held(ScriptedModel):
    """Waits at the place after the first script, or instead of it."""

    def __init__(self, place: Place, *scripts: list[Step], begun: list[Step] | None = None) -> None:
        super().__init__(*scripts)
        self._place = place
        self._begun = begun

    async def stream(self, request: Any) -> Any:
        if self._begun is not None and not self._place.reached.is_set():
            self.requests.append(request)
            for step in self._begun:
                yield step
            await self._place.wait()
        async for delta in super().stream(request):
            yield delta


class HeldJudge(AgentMiddleware):
    def __init__(self, place: Place) -> None:
        self._place = place

    async def on_check_permission(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> Decision:
        await self._place.wait()
        decision: Decision = await next_handler()
        return decision


def tools(place: Place) -> list[ToolBase]:
    @tool
    async def hang() -> AsyncIterator[str]:
        """Say something and hang."""
        yield "so far"
        await place.wait()

    @tool(concurrent=False)
    async def alone() -> str:
        """Hang alone."""
        await place.wait()
        return ""

    @tool(always_allowed=True)
    async def quick() -> str:
        """Be done at once."""
        return "done"

    return [hang, alone, quick]


def handshake(place: Place) -> Talk:
    return Talk(Held(place, text("Hello"), begun=[]))


def streaming(place: Place) -> Talk:
    begun: list[Step] = [*thinking("hm"), TextDelta("Hel"), ToolCallDelta(0, '{"a', name="quick")]
    return Talk(Held(place, text("Hello"), begun=begun), tools=tools(place))


def sequential(place: Place) -> Talk:
    two = [*call("alone"), *call("quick", index=1)]
    return Talk(ScriptedModel(two, text("Hello")), tools=tools(place))


def concurrent(place: Place) -> Talk:
    three = [*call("quick"), *call("hang", index=1), *call("quick", index=2)]
    return Talk(ScriptedModel(three, text("Hello")), tools=tools(place))


def compression(place: Place) -> Talk:
    answer = Msg(name="bob", role="assistant", content=[TextBlock(text="yes")])
    state = AgentState(session_id="s1", context=[Msg.user("x" * 4000), answer])
    summary = json.dumps(dict.fromkeys(SUMMARY_SCHEMA["required"], "nothing"))
    model = Held(place, call("write_summary", summary), text("Hello"), begun=[])
    model.context_size = 1100
    return Talk(model, state=state, context_config=ContextConfig(trigger_ratio=0.5))


def judgement(place: Place) -> Talk:
    two = [*call("quick"), *call("hang", index=1)]
    return Talk(ScriptedModel(two, text("Hello")), tools=tools(place), middlewares=[HeldJudge(place)])


class Listing:
    """Tools of a server that does not answer the first time."""

    version = 1
    trusted = True

    def __init__(self, place: Place) -> None:
        self._place = place

    async def tools(self) -> list[ToolBase]:
        if not self._place.reached.is_set():
            await self._place.wait()
        return []


def listing(place: Place) -> Talk:
    return Talk(ScriptedModel(text("Hello")), tools=[Listing(place)])


PLACES = [handshake, streaming, sequential, concurrent, compression, judgement, listing]


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


@pytest.mark.parametrize("at", PLACES)
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
