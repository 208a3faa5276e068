"""From events to the message that they describe: one test for each rule."""

import base64
import time
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from agentsvc.domain import events as ev
from agentsvc.domain.fold import fold
from agentsvc.domain.messages import (
    Base64Source,
    DataBlock,
    ErrorInfo,
    HintBlock,
    Msg,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    ToolResultBlock,
    URLSource,
    Usage,
)
from agentsvc.domain.permissions import PermissionRule

EMPTY = Msg(id="r", name="bob", role="assistant", content=[], created_at="0")


def told(*events: tuple[type[Any], dict[str, Any]] | ev.Event | ev.Unknown) -> Msg:
    """The message after these events, which happen at "1", "2" and so on."""
    ticks = count(1)
    return fold(
        EMPTY,
        [
            event[0](reply_id="r", created_at=str(next(ticks)), **event[1]) if isinstance(event, tuple) else event
            for event in events
        ],
    )


def begun(name: str = "look") -> list[tuple[type[Any], dict[str, Any]]]:
    return [
        (ev.ToolCallStart, {"tool_call_id": "c", "tool_call_name": name}),
        (ev.ToolCallDelta, {"tool_call_id": "c", "delta": '{"x":'}),
        (ev.ToolCallDelta, {"tool_call_id": "c", "delta": "1}"}),
        (ev.ToolCallEnd, {"tool_call_id": "c"}),
    ]


CALL = ToolCallBlock(id="c", created_at="1", finished_at="4", name="look", input='{"x":1}')


def test_text_grows_and_is_finished():
    message = told(
        (ev.TextBlockStart, {"block_id": "t"}),
        (ev.TextBlockDelta, {"block_id": "t", "delta": "Hel"}),
        (ev.TextBlockDelta, {"block_id": "t", "delta": "lo"}),
        (ev.TextBlockEnd, {"block_id": "t"}),
    )

    assert message.content == [TextBlock(id="t", created_at="1", finished_at="4", text="Hello")]


def test_thinking_grows_and_ends_with_what_its_provider_wants_back():
    message = told(
        (ev.ThinkingBlockStart, {"block_id": "t"}),
        (ev.ThinkingBlockDelta, {"block_id": "t", "delta": "hm"}),
        (ev.ThinkingBlockEnd, {"block_id": "t", "metadata": {"signature": "s", "unheard_of": 1}}),
    )

    expected = ThinkingBlock(
        id="t", created_at="1", finished_at="3", thinking="hm", signature="s", extras={"unheard_of": 1}
    )
    assert message.content == [expected]


def test_what_a_provider_wants_back_cannot_change_the_block_itself():
    forged = {"id": "x", "thinking": "forged", "created_at": "9", "extras": "e"}
    message = told(
        (ev.ThinkingBlockStart, {"block_id": "t"}), (ev.ThinkingBlockEnd, {"block_id": "t", "metadata": forged})
    )

    expected = ThinkingBlock(id="t", created_at="1", finished_at="2", thinking="", extras=forged)
    assert message.content == [expected]


def test_media_are_joined_by_their_bytes():
    pieces = [base64.b64encode(piece).decode() for piece in (b"a", b"bc", b"def")]

    message = told(
        (ev.DataBlockStart, {"block_id": "d", "media_type": "audio/wav"}),
        *[(ev.DataBlockDelta, {"block_id": "d", "data": piece, "media_type": "audio/wav"}) for piece in pieces],
        (ev.DataBlockEnd, {"block_id": "d"}),
    )

    source = Base64Source(data=base64.b64encode(b"abcdef").decode(), media_type="audio/wav")
    assert message.content == [DataBlock(id="d", created_at="1", finished_at="5", source=source)]


def test_long_media_are_joined_in_linear_time():
    piece = base64.b64encode(b"x" * 24 * 1024).decode()
    events = [(ev.DataBlockDelta, {"block_id": "d", "data": piece, "media_type": "audio/wav"})] * 800
    start = (ev.DataBlockStart, {"block_id": "d", "media_type": "audio/wav"})
    began = time.process_time()

    message = told(start, *events)

    (block,) = message.content
    assert isinstance(block, DataBlock)
    assert isinstance(block.source, Base64Source)
    assert len(block.source.data) == len(piece) * 800
    assert time.process_time() - began < 1  # a join at each piece takes many times that


def test_a_hint_comes_whole():
    message = told((ev.HintBlockEvent, {"block_id": "h", "hint": "now", "source": "clock"}))

    assert message.content == [HintBlock(id="h", created_at="1", finished_at="1", hint="now", source="clock")]


def test_a_call_grows_as_text():
    assert told(*begun()).content == [CALL]


def test_a_result_grows_by_texts_and_media_and_finishes_its_call():
    message = told(
        *begun(),
        (ev.ToolResultStart, {"tool_call_id": "c", "tool_call_name": "look"}),
        (ev.ToolResultTextDelta, {"tool_call_id": "c", "delta": "a"}),
        (ev.ToolResultTextDelta, {"tool_call_id": "c", "delta": "b"}),
        (ev.ToolResultDataDelta, {"tool_call_id": "c", "block_id": "d", "media_type": "image/png", "data": "aGk="}),
        (ev.ToolResultDataDelta, {"tool_call_id": "c", "block_id": "e", "media_type": "image/png", "url": "http://x"}),
        (ev.ToolResultTextDelta, {"tool_call_id": "c", "delta": "c"}),
        (ev.ToolResultEnd, {"tool_call_id": "c", "state": "error", "metadata": {"n": 1}}),
    )

    output: list[TextBlock | DataBlock] = [
        TextBlock(id="c/0", created_at="6", text="ab"),
        DataBlock(id="d", created_at="8", source=Base64Source(data="aGk=", media_type="image/png")),
        DataBlock(id="e", created_at="9", source=URLSource(url="http://x", media_type="image/png")),
        TextBlock(id="c/3", created_at="10", text="c"),
    ]
    assert message.content == [
        replace(CALL, state="finished"),
        ToolResultBlock(
            id="c",
            created_at="5",
            finished_at="11",
            name="look",
            output=output,
            state="error",
            metadata={"n": 1},
        ),
    ]


def test_usage_is_the_sum_over_the_calls_of_the_model():
    one = {"input_tokens": 1, "output_tokens": 2, "cache_input_tokens": 3, "cache_creation_input_tokens": 4}

    assert told((ev.ModelCallEnd, one), (ev.ModelCallEnd, one)).usage == Usage(
        input_tokens=2, output_tokens=4, cache_input_tokens=6, cache_creation_input_tokens=8
    )


def test_the_end_says_when_and_why():
    error = ErrorInfo(type="upstream", message="down")

    message = told((ev.ReplyEnd, {"session_id": "s", "finished_reason": "error", "error": error}))

    assert (message.finished_at, message.finished_reason, message.error) == ("1", "error", error)
    assert message.structured_output is None


def test_the_end_carries_the_structured_output():
    message = told((ev.ReplyEnd, {"session_id": "s", "metadata": {"structured_output": {"a": 1}}}))

    assert message.structured_output == {"a": 1}


def test_a_question_is_noted_at_its_call():
    rule = PermissionRule(tool_name="look", rule_content=None, behavior="allow")
    asked = replace(CALL, state="asking", suggested_rules=[rule], input="of the client")

    message = told(*begun(), (ev.RequireUserConfirm, {"tool_calls": [asked]}))

    assert message.content == [replace(asked, input=CALL.input)]


@pytest.mark.parametrize(
    ("confirmed", "state", "arguments"), [(True, "allowed", '{"x":2}'), (False, "finished", '{"x":1}')]
)
def test_an_answer_is_noted_at_a_call_that_waits_for_it(confirmed: bool, state: Any, arguments: str):
    asked = (ev.RequireUserConfirm, {"tool_calls": [CALL]})
    result = ev.ConfirmResult(confirmed=confirmed, tool_call=replace(CALL, input='{"x":2}', name="other"))
    answer = (ev.UserConfirmResult, {"confirm_results": [result]})

    assert told(*begun(), asked, answer).content == [replace(CALL, state=state, input=arguments)]
    assert told(*begun(), answer).content == [CALL]


def test_a_call_is_handed_out_and_its_result_is_taken_once():
    result = ToolResultBlock(id="c", created_at="0", name="look", output="seen", state="success")
    handed = told(*begun(), (ev.RequireExternalExecution, {"tool_calls": [CALL]}))
    results = (ev.ExternalExecutionResult, {"execution_results": [result, replace(result, output="again")]})

    assert handed.content == [replace(CALL, state="submitted")]
    assert told(*begun(), results).content == [replace(CALL, state="finished"), replace(result, finished_at="5")]


def test_text_is_added_to_an_output_that_came_as_a_string():
    result = ToolResultBlock(id="c", created_at="0", name="look", output="seen", state="success")

    message = told(
        (ev.ExternalExecutionResult, {"execution_results": [result]}),
        (ev.ToolResultTextDelta, {"tool_call_id": "c", "delta": " twice"}),
    )

    (block,) = message.content
    assert isinstance(block, ToolResultBlock)
    assert block.output == [TextBlock(id="c/0", created_at="0", text="seen twice")]


@pytest.mark.parametrize(
    "event",
    [
        ev.TextBlockStart(reply_id="another", block_id="t"),
        ev.TextBlockDelta(reply_id="another", block_id="t", delta="no"),
        ev.ReplyEnd(reply_id="another", session_id="s"),
        ev.TextBlockDelta(reply_id="r", block_id="never begun", delta="no"),
        ev.TextBlockEnd(reply_id="r", block_id="never begun"),
        ev.ThinkingBlockEnd(reply_id="r", block_id="never begun", metadata={"signature": "s"}),
        ev.DataBlockDelta(reply_id="r", block_id="never begun", data="aGk=", media_type="image/png"),
        ev.ToolCallDelta(reply_id="r", tool_call_id="never begun", delta="no"),
        ev.ToolResultTextDelta(reply_id="r", tool_call_id="never begun", delta="no"),
        ev.ToolResultDataDelta(reply_id="r", tool_call_id="never begun", block_id="d", media_type="image/png"),
        ev.ToolResultEnd(reply_id="r", tool_call_id="never begun", state="success"),
        ev.RequireUserConfirm(reply_id="r", tool_calls=[replace(CALL, id="never begun")]),
        ev.ModelCallStart(reply_id="r", model_name="m"),
        ev.ExceedMaxIters(reply_id="r", name="bob"),
        ev.UserInterrupt(reply_id="r"),
        ev.ReplyStart(reply_id="r", session_id="s", name="other"),
        ev.Custom(name="anything", value={"reply_id": "r", "content": []}),
        ev.Custom(name=ev.REPLY_RESUMED, value={"reply_id": "another", "content": []}),
        ev.Unknown("HOLOGRAM"),
    ],
)
def test_what_is_not_meant_or_has_not_begun_changes_nothing(event: ev.Event | ev.Unknown):
    before = told((ev.TextBlockStart, {"block_id": "t"}), *begun())

    assert told((ev.TextBlockStart, {"block_id": "t"}), *begun(), event) == before


def test_what_came_before_a_reply_was_taken_over_is_void():
    text = TextBlock(id="t", created_at="1", finished_at="2", text="kept")
    value = {"reply_id": "r", "content": [text], "usage": Usage(input_tokens=1)}

    message = told(
        (ev.TextBlockStart, {"block_id": "t"}),
        (ev.TextBlockDelta, {"block_id": "t", "delta": "in vain"}),
        (ev.ModelCallEnd, {"input_tokens": 5}),
        (ev.ReplyEnd, {"session_id": "s", "error": ErrorInfo(), "metadata": {"structured_output": {}}}),
        ev.decode_event(ev.encode_event(ev.Custom(name=ev.REPLY_RESUMED, value=value))),
    )

    assert message == replace(EMPTY, content=[text], usage=Usage(input_tokens=1))
