"""One reply: its events in order, its ends, and what stands afterwards."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from agentsvc.agent.loop import Reply
from agentsvc.agent.model import Finish, ToolCallDelta
from agentsvc.agent.tool import ToolBase, ToolChunk, tool
from agentsvc.domain import events as ev
from agentsvc.domain.errors import ModelError
from agentsvc.domain.fold import Fold
from agentsvc.domain.messages import Msg, TextBlock, ToolCallBlock, ToolResultBlock, Usage
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, Step, call, text, thinking


@tool
async def echo(x: str) -> str:
    """Say it again."""
    return f"got {x}"


@tool(concurrent=False)
async def alone(x: str) -> str:
    """Say it again, with nobody beside."""
    return f"got {x}"


TEXT_REPLY = [
    "REPLY_START",
    "MODEL_CALL_START",
    "TEXT_BLOCK_START",
    "TEXT_BLOCK_DELTA",
    "TEXT_BLOCK_END",
    "MODEL_CALL_END",
    "REPLY_END",
]


async def test_a_text_reply_has_its_events_in_order() -> None:
    talk = Talk(ScriptedModel(text("Hel", "lo")))

    message = await talk.say("hi")

    assert talk.kinds() == TEXT_REPLY
    assert message.text() == "Hello"
    assert (message.finished_reason, message.usage) == ("completed", Usage(input_tokens=10, output_tokens=5))
    assert message == talk.folded() == talk.state.context[-1]
    assert [each.role for each in talk.state.context] == ["user", "assistant"]


async def test_thinking_text_and_a_tool_have_their_events_in_order() -> None:
    model = ScriptedModel([*thinking("hmm"), *text("Let ", "me"), *call("echo", '{"x":"a"}')], text("Done"))
    talk = Talk(model, tools=[echo])

    message = await talk.say("hi")

    assert talk.kinds() == [
        "REPLY_START",
        "MODEL_CALL_START",
        *("THINKING_BLOCK_START", "THINKING_BLOCK_DELTA", "THINKING_BLOCK_END"),
        *("TEXT_BLOCK_START", "TEXT_BLOCK_DELTA", "TEXT_BLOCK_END"),
        *("TOOL_CALL_START", "TOOL_CALL_DELTA", "TOOL_CALL_END"),
        "MODEL_CALL_END",
        *("TOOL_RESULT_START", "TOOL_RESULT_TEXT_DELTA", "TOOL_RESULT_END"),
        "MODEL_CALL_START",
        *("TEXT_BLOCK_START", "TEXT_BLOCK_DELTA", "TEXT_BLOCK_END"),
        "MODEL_CALL_END",
        "REPLY_END",
    ]
    assert [block.__struct_config__.tag for block in message.content] == [
        "thinking",
        "text",
        "tool_call",
        "tool_result",
        "text",
    ]
    assert message.usage == Usage(input_tokens=20, output_tokens=10)
    assert message == talk.folded()


async def test_the_model_is_told_what_the_tool_gave() -> None:
    model = ScriptedModel(call("echo", '{"x":"a"}'), text("Done"))
    talk = Talk(model, tools=[echo])

    await talk.say("hi")

    system, asked, so_far = model.requests[1].messages
    assert (system.role, system.text()) == ("system", "Be brief.")
    assert asked.text() == "hi"
    result = so_far.content[1]
    assert isinstance(result, ToolResultBlock)
    assert [item.text for item in result.output if isinstance(item, TextBlock)] == ["got a"]
    assert [schema.name for schema in model.requests[1].tools] == ["echo"]


async def test_interleaved_deltas_of_two_calls_give_two_blocks() -> None:
    pieces = [
        ToolCallDelta(0, '{"x":', id="c", name="echo"),
        ToolCallDelta(1, '{"x":', id="c", name="echo"),
        ToolCallDelta(0, '"a"}'),
        ToolCallDelta(1, '"b"}'),
    ]
    talk = Talk(ScriptedModel(pieces, text("Done")), tools=[echo])

    message = await talk.say("hi")

    calls = [block for block in message.content if isinstance(block, ToolCallBlock)]
    assert [(each.input, each.state) for each in calls] == [('{"x":"a"}', "finished"), ('{"x":"b"}', "finished")]
    ends = [event.tool_call_id for event in talk.of(ev.ToolCallEnd)]
    assert ends == [each.id for each in calls]
    assert len(talk.of(ev.ToolCallStart)) == 2


async def test_the_same_provider_id_in_two_rounds_runs_both_calls() -> None:
    model = ScriptedModel(call("echo", '{"x":"a"}'), call("echo", '{"x":"b"}'), text("Done"))
    talk = Talk(model, tools=[echo])

    await talk.say("hi")

    assert [event.delta for event in talk.of(ev.ToolResultTextDelta)] == ["got a", "got b"]


async def test_calls_that_may_run_side_by_side_do_and_others_do_not() -> None:
    both_here = asyncio.Barrier(2)

    @tool
    async def meet() -> str:
        await both_here.wait()
        return "met"

    two = [*call("meet", index=0), *call("meet", index=1)]
    talk = Talk(ScriptedModel(two, text("Done")), tools=[meet])
    await talk.say("hi")
    assert [event.state for event in talk.of(ev.ToolResultEnd)] == ["success", "success"]

    order: list[str] = []

    @tool(concurrent=False)
    async def single(x: str) -> str:
        order.append(f"{x} begins")
        await asyncio.sleep(0)
        order.append(f"{x} ends")
        return x

    two = [*call("single", '{"x":"a"}', 0), *call("single", '{"x":"b"}', 1)]
    talk = Talk(ScriptedModel(two, text("Done")), tools=[single])
    await talk.say("hi")
    assert order == ["a begins", "a ends", "b begins", "b ends"]


async def test_a_tool_that_streams_is_heard_as_it_goes() -> None:
    heard = asyncio.Event()

    @tool
    async def slow() -> AsyncIterator[str]:
        yield "one"
        await heard.wait()
        yield "two"

    talk = Talk(ScriptedModel(call("slow"), text("Done")), tools=[slow])
    task = asyncio.create_task(talk.say("hi"))
    await talk.until(ev.ToolResultTextDelta)
    assert not talk.of(ev.ToolResultEnd)

    heard.set()
    message = await task

    result = message.content[1]
    assert isinstance(result, ToolResultBlock)
    assert [item.text for item in result.output if isinstance(item, TextBlock)] == ["onetwo"]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("nothing", "{}", "no tool named"),
        ("echo", '{"x": [', "echo were not accepted"),
        ("echo", '{"y": 1}', "'x' is a required property"),
        ("broken", "{}", "boom"),
    ],
)
async def test_a_call_that_cannot_be_made_is_an_error_the_model_reads(name: str, arguments: str, said: str) -> None:
    @tool
    async def broken() -> str:
        raise RuntimeError("boom")

    talk = Talk(ScriptedModel(call(name, arguments), text("Done")), tools=[echo, broken])

    message = await talk.say("hi")

    assert [event.state for event in talk.of(ev.ToolResultEnd)] == ["error"]
    assert said in talk.of(ev.ToolResultTextDelta)[0].delta.replace('"x"', "'x'")
    assert message.finished_reason == "completed"


async def test_a_metadata_and_the_worst_state_of_a_tool_reach_the_result() -> None:
    class Odd:
        pass

    @tool
    async def odd() -> AsyncIterator[ToolChunk]:
        yield ToolChunk(metadata={"a": 1})
        yield ToolChunk.text("no", state="denied")
        yield ToolChunk(metadata={"b": 2})

    talk = Talk(ScriptedModel(call("odd"), text("Done")), tools=[odd])
    await talk.say("hi")

    end = talk.of(ev.ToolResultEnd)[0]
    assert (end.state, end.metadata) == ("denied", {"a": 1, "b": 2})


async def test_an_answer_cut_by_length_inside_a_call_runs_nothing() -> None:
    ran: list[str] = []

    @tool
    async def write(content: str) -> str:
        ran.append(content)
        return "written"

    cut: list[Step] = [ToolCallDelta(0, '{"content": "half a fi', id="c", name="write"), Finish("length")]
    talk = Talk(ScriptedModel(cut, text("Sorry")), tools=[write])

    message = await talk.say("hi")

    assert ran == []
    assert [event.state for event in talk.of(ev.ToolResultEnd)] == ["error"]
    assert (message.finished_reason, message.text()) == ("completed", "Sorry")


async def test_a_thinking_only_answer_is_asked_again() -> None:
    model = ScriptedModel(thinking("hmm"), text("Hello"))
    talk = Talk(model)

    message = await talk.say("hi")

    assert len(model.requests) == 2
    assert message.text() == "Hello"


async def test_the_rounds_are_counted_and_end() -> None:
    model = ScriptedModel(*[call("echo", '{"x":"a"}')] * 3)
    talk = Talk(model, tools=[echo], max_iters=3)

    message = await talk.say("hi")

    assert len(model.requests) == 3
    assert message.finished_reason == "exceed_max_iters"
    assert talk.kinds()[-2:] == ["EXCEED_MAX_ITERS", "REPLY_END"]


async def test_the_fallback_answers_and_is_named() -> None:
    primary = ScriptedModel([ModelError("upstream", "down")], name="first")
    talk = Talk(primary, fallback=ScriptedModel(text("Hello"), name="second"))

    message = await talk.say("hi")

    assert [event.model_name for event in talk.of(ev.ModelCallStart)] == ["second"]
    assert message.text() == "Hello"


# -- failures


async def test_a_model_that_cannot_be_called_ends_the_reply_with_the_cause() -> None:
    talk = Talk(ScriptedModel([ModelError("authentication", "key sk-123 is wrong")], text("Hello")))

    message = await talk.say("hi")

    assert talk.kinds() == ["REPLY_START", "REPLY_END"]
    assert message.error is not None
    assert message.error.type == "authentication"
    assert "sk-123" not in message.error.message
    assert (await talk.say("again")).text() == "Hello"


async def test_a_model_that_fails_in_the_middle_keeps_what_it_said() -> None:
    talk = Talk(ScriptedModel([*text("Hel"), ModelError("connection", "cut")], text("Hello")))

    message = await talk.say("hi")

    assert talk.kinds() == TEXT_REPLY
    assert (message.text(), message.finished_reason) == ("Hel", "error")
    assert message == talk.folded()
    assert (await talk.say("again")).finished_reason == "completed"


async def test_a_model_that_fails_in_the_middle_of_a_call_leaves_nothing_open() -> None:
    ran: list[str] = []

    @tool
    async def write(content: str) -> str:
        ran.append(content)
        return "written"

    half: list[Step] = [ToolCallDelta(0, '{"content": "ha', id="c", name="write"), ModelError("connection", "cut")]
    talk = Talk(ScriptedModel(half, text("Hello")), tools=[write])

    message = await talk.say("hi")

    assert ran == []
    assert message.finished_reason == "error"
    assert [event.state for event in talk.of(ev.ToolResultEnd)] == ["interrupted"]
    assert (await talk.say("again")).finished_reason == "completed"


async def test_an_answer_without_an_end_is_an_error() -> None:
    class Silent(ScriptedModel):
        async def stream(self, request: object) -> AsyncIterator[object]:  # type: ignore[override]
            yield text("Hel")[0]

    message = await Talk(Silent()).say("hi")

    assert (message.text(), message.finished_reason) == ("Hel", "error")


# -- the journal


async def test_what_ran_is_recorded_before_and_after_a_tool() -> None:
    settled: list[int] = []

    @tool
    async def look() -> str:
        settled.append(talk.journal.settled)
        state = talk.journal.recorded[-1]
        result = state.context[-1].content[-1]
        assert isinstance(result, ToolResultBlock)
        assert result.state == "running"
        return "seen"

    talk = Talk(ScriptedModel(call("look"), text("Done")), tools=[look])
    await talk.say("hi")

    assert settled == [2]
    first, *_, last = talk.journal.recorded
    assert [each.role for each in first.context] == ["user", "assistant"]
    assert first.reply_context.reply_id == talk.reply.id
    assert last.reply_context.reply_id == ""
    assert last.context[-1].finished_reason == "completed"


# -- take-over


async def resumed(state_after: int, *scripts: list[Step], tools: list[ToolBase]) -> tuple[Talk, Talk]:
    """A reply whose worker died after so many records, and the one that goes on with it."""
    first = Talk(ScriptedModel(*scripts), tools=tools)
    await first.say("hi")
    second = Talk(
        ScriptedModel(text("Done")),
        tools=tools,
        state=first.journal.recorded[state_after],
    )
    await second.go_on()
    return first, second


async def test_another_worker_goes_on_after_the_last_recorded_step() -> None:
    first, second = await resumed(3, call("echo", '{"x":"a"}'), text("Done"), tools=[echo])

    assert second.kinds()[:2] == ["CUSTOM", "MODEL_CALL_START"]
    value = second.of(ev.Custom)[0].value
    assert value["reply_id"] == first.reply.id
    assert second.reply.id == first.reply.id
    assert [block.__struct_config__.tag for block in second.reply.message.content] == [
        "tool_call",
        "tool_result",
        "text",
    ]
    assert second.state.context[-1].finished_reason == "completed"


async def test_a_call_in_flight_is_not_repeated_unless_its_tool_allows_it() -> None:
    runs: list[str] = []

    @tool
    async def once() -> str:
        runs.append("once")
        return "ok"

    @tool(idempotent=True)
    async def again() -> str:
        runs.append("again")
        return "ok"

    _, second = await resumed(1, call("once"), text("Done"), tools=[once])
    assert runs == ["once"]
    assert [event.state for event in second.of(ev.ToolResultEnd)] == ["interrupted"]
    assert not second.of(ev.ToolResultStart)

    _, second = await resumed(1, call("again"), text("Done"), tools=[again])
    assert runs == ["once", "again", "again"]
    assert [event.state for event in second.of(ev.ToolResultEnd)] == ["success"]


async def test_a_client_that_saw_both_workers_folds_what_is_stored() -> None:
    first, second = await resumed(2, call("echo", '{"x":"a"}'), text("never seen"), tools=[echo])

    start = first.events[0]
    assert isinstance(start, ev.ReplyStart)
    fold = Fold.start(start)
    for event in [*first.events[:-3], *second.events]:
        fold.apply(msgspec_round_trip(event))
    assert fold.message() == second.state.context[-1]


def msgspec_round_trip(event: ev.Event) -> ev.Event:
    again = ev.decode_event(ev.encode_event(event))
    assert not isinstance(again, ev.Unknown)
    return again


def test_a_new_reply_has_an_id_of_its_own() -> None:
    talk = Talk(ScriptedModel())
    one = Reply(talk.agent, talk.state, talk.journal, talk.interruption, talk.clock)
    other = Reply(talk.agent, talk.state, talk.journal, talk.interruption, talk.clock)

    assert one.id != other.id
    assert one.message == Msg(id=one.id, name="bob", role="assistant", content=[], created_at=one.message.created_at)


async def test_a_model_that_breaks_its_contract_leaves_nothing_open() -> None:
    talk = Talk(ScriptedModel([*text("Hel"), ValueError("a bug of a provider")]))

    message = await talk.say("hi")

    assert talk.kinds() == TEXT_REPLY
    assert message.error is not None
    assert (message.text(), message.error.type) == ("Hel", "internal")
