"""The order of events, however the model and its tools give what they give."""

import asyncio

from agentsvc.agent.model import DataDelta, Finish, TextDelta, ThinkingDelta, ToolCallDelta
from agentsvc.agent.tool import tool
from agentsvc.domain import events as ev
from agentsvc.domain.messages import DataBlock, Usage
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, Step, call, text


def results(talk: Talk) -> list[str]:
    """What happens to which call, in order; calls are numbered as they were made."""
    numbers = {event.tool_call_id: number for number, event in enumerate(talk.of(ev.ToolCallStart))}
    told: list[str] = []
    for event in talk.events:
        match event:
            case ev.ToolResultStart():
                told.append(f"{numbers[event.tool_call_id]} starts")
            case ev.ToolResultTextDelta():
                told.append(f"{numbers[event.tool_call_id]} says {event.delta}")
            case ev.ToolResultEnd():
                told.append(f"{numbers[event.tool_call_id]} ends")
            case _:
                pass
    return told


async def test_tools_side_by_side_interleave_and_each_keeps_its_order() -> None:
    turns = [asyncio.Event(), asyncio.Event(), asyncio.Event()]

    @tool
    async def first() -> object:
        """Begin and end."""

        async def pieces() -> object:
            yield "a"
            turns[0].set()
            await turns[1].wait()
            yield "b"
            turns[2].set()

        return pieces()

    @tool
    async def second() -> object:
        """Come in between."""

        async def pieces() -> object:
            await turns[0].wait()
            yield "c"
            turns[1].set()
            await turns[2].wait()
            yield "d"

        return pieces()

    talk = Talk(ScriptedModel([*call("first"), *call("second", index=1)], text("Done")), tools=[first, second])

    message = await talk.say("go")

    told = results(talk)
    assert told[:2] == ["0 starts", "1 starts"]
    assert [each for each in told if "says" in each] == ["0 says a", "1 says c", "0 says b", "1 says d"]
    assert told.index("0 says b") < told.index("0 ends")
    assert message == talk.folded()


async def test_tools_one_after_the_other_do_not() -> None:
    @tool(concurrent=False)
    async def alone(x: str) -> str:
        """Say it again."""
        await asyncio.sleep(0)
        return x

    two = [*call("alone", '{"x":"a"}'), *call("alone", '{"x":"b"}', 1)]
    talk = Talk(ScriptedModel(two, text("Done")), tools=[alone])

    await talk.say("go")

    assert results(talk) == ["0 starts", "0 says a", "0 ends", "1 starts", "1 says b", "1 ends"]


async def test_a_model_that_answers_at_once_makes_the_events_of_a_stream_of_one_piece() -> None:
    whole: list[Step] = [
        ThinkingDelta("hmm", {"signature": "s"}),
        TextDelta("Let me see"),
        ToolCallDelta(0, '{"x":"a"}', id="c", name="echo"),
    ]
    pieces: list[Step] = [
        ThinkingDelta("h"),
        ThinkingDelta("mm", {"signature": "s"}),
        *(TextDelta(letter) for letter in "Let me see"),
        ToolCallDelta(0, "", id="c", name="echo"),
        *(ToolCallDelta(0, letter) for letter in '{"x":"a"}'),
    ]

    @tool
    async def echo(x: str) -> str:
        """Say it again."""
        return x

    one = Talk(ScriptedModel(whole, text("Done")), tools=[echo])
    other = Talk(ScriptedModel(pieces, text("Done")), tools=[echo])

    await one.say("go")
    await other.say("go")

    assert one.kinds() == other.kinds()
    assert len(one.events) < len(other.events)


async def test_what_the_model_says_and_shows_ends_before_the_next_begins() -> None:
    steps: list[Step] = [
        ThinkingDelta("hm"),
        DataDelta("aGk=", "image/png"),
        DataDelta("aGk=", "image/png"),
        TextDelta("There."),
        DataDelta("aGk=", "audio/wav"),
    ]
    talk = Talk(ScriptedModel(steps))

    message = await talk.say("draw")

    blocks = [kind.removesuffix("_DELTA") for kind in talk.kinds() if "BLOCK" in kind]
    assert blocks == [
        *("THINKING_BLOCK_START", "THINKING_BLOCK", "THINKING_BLOCK_END"),
        *("DATA_BLOCK_START", "DATA_BLOCK", "DATA_BLOCK_END"),
        *("TEXT_BLOCK_START", "TEXT_BLOCK", "TEXT_BLOCK_END"),
        *("DATA_BLOCK_START", "DATA_BLOCK", "DATA_BLOCK_END"),
    ]
    assert [block.source.media_type for block in message.content if isinstance(block, DataBlock)] == [
        "image/png",
        "audio/wav",
    ]
    assert message == talk.folded() == talk.state.context[-1]


async def test_usage_is_summed_over_all_calls_of_the_model_with_what_was_cached() -> None:
    @tool
    async def echo() -> str:
        """Say it."""
        return "x"

    one = Usage(input_tokens=10, output_tokens=5, cache_input_tokens=3, cache_creation_input_tokens=2)
    other = Usage(input_tokens=20, output_tokens=1, cache_input_tokens=8)
    model = ScriptedModel([*call("echo"), Finish("tool_calls", one)], [*text("Done"), Finish("stop", other)])
    talk = Talk(model, tools=[echo])

    message = await talk.say("go")

    assert message.usage == one.plus(other)
    assert message.usage == Usage(
        input_tokens=30, output_tokens=6, cache_input_tokens=11, cache_creation_input_tokens=2
    )
