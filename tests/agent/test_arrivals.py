"""What is said while a reply runs is taken into it before its next reasoning step."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from agentsvc.agent.agent import AgentMiddleware, Handler
from agentsvc.agent.context.summary import SUMMARY_SCHEMA
from agentsvc.agent.tool import ToolBase, tool
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.messages import Base64Source, DataBlock, HintBlock, Msg, TextBlock, ToolResultBlock, URLSource
from agentsvc.domain.states import AgentState
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, call, text


def message(words: str, message_id: str = "m1") -> Msg:
    return Msg(id=message_id, name="ada", role="user", content=[TextBlock(text=words)])


class Post:
    """Messages on their way to a reply; each delivery is what it is given when it asks once."""

    def __init__(self, *deliveries: Sequence[Msg]) -> None:
        self.deliveries = list(deliveries)
        self.asked = 0

    async def __call__(self) -> Sequence[Msg]:
        self.asked += 1
        return self.deliveries.pop(0) if self.deliveries else ()


@tool
async def look() -> str:
    """Look."""
    return "seen"


@tool
async def touch() -> str:
    """Touch, when somebody allows it."""
    return "touched"


TOOLS: list[ToolBase] = [look, touch]


def hints(reply: Msg) -> list[HintBlock]:
    return [block for block in reply.content if isinstance(block, HintBlock)]


def shown(model: ScriptedModel, request: int) -> list[object]:
    """The hints that the model was shown."""
    blocks = [block for message in model.requests[request].messages for block in message.content]
    return [block.hint for block in blocks if isinstance(block, HintBlock)]


async def test_a_message_is_taken_in_before_the_next_step_where_the_model_reads_it_last() -> None:
    model = ScriptedModel(call("look"), text("Hello Ada"))
    talk = Talk(model, tools=TOOLS, arrivals=Post([message("I am Ada")]))

    reply = await talk.say("hi")

    last = model.requests[1].messages[-1].content[-1]
    assert isinstance(last, HintBlock)
    assert (last.hint, reply.text()) == ("I am Ada", "Hello Ada")
    assert reply == talk.folded() == talk.state.context[-1]


async def test_the_hint_has_the_id_of_the_message_and_says_who_spoke() -> None:
    talk = Talk(ScriptedModel(call("look"), text("Hello")), tools=TOOLS, arrivals=Post([message("I am Ada", "m7")]))

    reply = await talk.say("hi")

    [hint] = hints(reply)
    assert hint.id == "m7"
    assert json.loads(hint.source or "") == {"label": "User", "sublabel": "ada"}


async def test_what_is_taken_in_together_is_recorded_at_once_and_alone() -> None:
    two = [message("one", "m1"), message("two", "m2")]
    talk = Talk(ScriptedModel(call("look"), text("Hello")), tools=TOOLS, arrivals=Post(two))

    await talk.say("hi")

    taken = [state.context[-1] for state in talk.journal.recorded if hints(state.context[-1])]
    assert [block.id for block in taken[0].content[-2:]] == ["m1", "m2"]
    assert isinstance(taken[0].content[-3], ToolResultBlock)
    assert [len(hints(each)) for each in taken] == [2] * len(taken)


async def test_nothing_is_taken_in_before_the_first_call_of_the_model() -> None:
    post = Post([message("too early")])
    talk = Talk(ScriptedModel(text("Hello")), arrivals=post)

    reply = await talk.say("hi")

    assert (post.asked, hints(reply), reply.finished_reason) == (0, [], "completed")


async def test_a_reply_that_another_worker_has_left_takes_in_what_came_meanwhile() -> None:
    earlier = Talk(ScriptedModel(call("look"), text("never kept")), tools=TOOLS)
    await earlier.say("hi")
    left = next(state for state in earlier.journal.recorded if _seen(state))
    post = Post([message("still there?")])
    talk = Talk(ScriptedModel(text("Yes")), tools=TOOLS, state=left, arrivals=post)
    talk.reload()

    reply = await talk.go_on()

    assert [hint.hint for hint in hints(reply)] == ["still there?"]
    assert reply.text() == "Yes"


def _seen(state: AgentState) -> bool:
    last = state.context[-1].content
    return bool(last) and isinstance(last[-1], ToolResultBlock) and last[-1].state == "success"


async def test_a_parked_reply_takes_in_what_came_when_it_is_answered() -> None:
    post = Post()
    talk = Talk(ScriptedModel(call("touch"), text("Done")), tools=TOOLS, mode="default", arrivals=post)
    await talk.say("go")
    asked = post.asked
    post.deliveries.append([message("be quick")])

    reply = await talk.confirm(*talk.asked())

    assert (asked, [hint.hint for hint in hints(reply)]) == (0, ["be quick"])
    assert reply.finished_reason == "completed"


async def test_a_message_does_not_lengthen_a_reply_that_has_said_its_word() -> None:
    post = Post()
    late = [message("one more thing")]
    model = ScriptedModel(call("look"), [*text("Bye"), lambda: post.deliveries.append(late)], text("never asked"))
    talk = Talk(model, tools=TOOLS, arrivals=post)

    reply = await talk.say("hi")

    assert (reply.text(), reply.finished_reason, hints(reply)) == ("Bye", "completed", [])
    assert post.deliveries == [late]


async def test_messages_give_a_reply_no_more_rounds() -> None:
    endless = [[message(f"go on {number}", f"m{number}")] for number in range(9)]
    model = ScriptedModel(*[call("look")] * 9)
    talk = Talk(model, tools=TOOLS, max_iters=3, arrivals=Post(*endless))

    reply = await talk.say("hi")

    assert (len(model.requests), reply.finished_reason) == (3, "exceed_max_iters")
    assert [hint.id for hint in hints(reply)] == ["m0", "m1"]


async def test_media_that_the_model_cannot_take_are_put_away_as_those_of_any_message() -> None:
    kept: list[bytes] = []

    async def shelf(name_hint: str, data: bytes) -> str | None:
        kept.append(data)
        return "/shelf/sound"

    model = ScriptedModel(call("look"), text("Hello"))
    model.input_types = ("image/*",)
    image = DataBlock(source=URLSource(url="https://example.org/cat.png", media_type="image/png"))
    sound = DataBlock(source=Base64Source(data="aGk=", media_type="audio/mpeg"))
    sent = Msg(id="m1", name="ada", role="user", content=[TextBlock(text="listen"), image, sound])
    talk = Talk(model, tools=TOOLS, offload=shelf, arrivals=Post([sent]))

    reply = await talk.say("hi")

    [hint] = hints(reply)
    assert kept == [b"hi"]
    assert isinstance(hint.hint, list)
    assert [type(block) for block in hint.hint] == [TextBlock, DataBlock, TextBlock]
    assert "/shelf/sound" in str(hint.hint[-1])


async def test_a_message_is_kept_when_a_stop_comes_while_its_media_are_put_away() -> None:
    reached = asyncio.Event()

    async def shelf(name_hint: str, data: bytes) -> str | None:
        reached.set()
        await asyncio.Event().wait()
        return None

    model = ScriptedModel(call("look"), text("never asked"))
    model.input_types = ()
    sound = DataBlock(source=Base64Source(data="aGk=", media_type="audio/mpeg"))
    sent = Msg(id="m1", name="ada", role="user", content=[sound])
    talk = Talk(model, tools=TOOLS, offload=shelf, arrivals=Post([sent]))
    task = asyncio.create_task(talk.say("hi"))
    await asyncio.wait_for(reached.wait(), 5)

    talk.interruption.request()
    reply = await asyncio.wait_for(task, 5)

    assert [hint.hint for hint in hints(reply)] == [[sound]]
    assert (reply.finished_reason, reply) == ("interrupted", talk.folded())


async def test_a_stop_is_heard_while_messages_are_asked_for() -> None:
    reached = asyncio.Event()

    async def slow() -> Sequence[Msg]:
        reached.set()
        await asyncio.Event().wait()
        return ()

    talk = Talk(ScriptedModel(call("look"), text("never asked")), tools=TOOLS, arrivals=slow)
    task = asyncio.create_task(talk.say("hi"))
    await asyncio.wait_for(reached.wait(), 5)

    talk.interruption.request()
    reply = await asyncio.wait_for(task, 5)

    assert (reply.finished_reason, hints(reply)) == ("interrupted", [])
    assert task.cancelling() == 0


class Breaks(AgentMiddleware):
    """Fails at a message that arrives."""

    async def on_reply(
        self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
    ) -> AsyncIterator[ev.Event]:
        async for event in next_handler():
            if isinstance(event, ev.HintBlockEvent):
                raise RuntimeError("boom")
            yield event


async def test_a_message_that_a_middleware_fails_at_is_not_lost() -> None:
    two = [message("one", "m1"), message("two", "m2")]
    model = ScriptedModel(call("look"), text("never asked"))
    talk = Talk(model, tools=TOOLS, middlewares=[Breaks()], arrivals=Post(two))

    reply = await talk.say("hi")

    assert (reply.finished_reason, [hint.id for hint in hints(reply)]) == ("error", ["m1", "m2"])
    assert reply == talk.folded()


async def test_what_was_just_said_does_not_go_into_the_summary_of_that_moment() -> None:
    @tool
    async def read() -> str:
        """Read a long text."""
        return "x" * 2000

    summary = json.dumps(dict.fromkeys(SUMMARY_SCHEMA["required"], "nothing"))
    model = ScriptedModel(call("read"), call("write_summary", summary), text("Hello Ada"))
    model.context_size = 1000
    config = ContextConfig(trigger_ratio=0.5, reserve_ratio=0.0)
    talk = Talk(model, tools=[read], context_config=config, arrivals=Post([message("I am Ada")]))

    reply = await talk.say("hi")

    assert [event.name for event in talk.of(ev.Custom)] == [ev.COMPRESSED]
    assert shown(model, 2) == ["I am Ada"]
    assert reply.text() == "Hello Ada"


async def test_a_hint_comes_over_the_wire_as_it_is_remembered() -> None:
    talk = Talk(ScriptedModel(call("look"), text("Hello")), tools=TOOLS, arrivals=Post([message("ä😀 <b>")]))

    await talk.say("hi")

    [told] = talk.of(ev.HintBlockEvent)
    assert ev.decode_event(ev.encode_event(told)) == told
    assert msgspec.json.decode(told.source) == {"label": "User", "sublabel": "ada"}
