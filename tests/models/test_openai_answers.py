"""What an OpenAI server answers, chunk by chunk."""

import base64
import json
from collections.abc import Sequence

import pytest

from agentsvc.agent.model import DataDelta, Finish, ModelDelta, TextDelta, ThinkingDelta, ToolCallDelta
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import Usage
from agentsvc.models.openai_answers import Answer


def fed(answer: Answer, events: Sequence[bytes]) -> list[ModelDelta]:
    """All that these events hold."""
    return list(answer.feed(events))


def chunk(delta=None, reason=None, **more):
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}).encode()


def piece(arguments="", index: int | None = 0, id=None, name=None):  # noqa: A002
    function = {"arguments": arguments} | ({"name": name} if name else {})
    call = {"index": index, "id": id, "function": function}
    return chunk({"tool_calls": [{key: value for key, value in call.items() if value is not None}]})


def calls(*events: bytes) -> list[tuple[str | None, str, str]]:
    """The calls as an agent puts them together: (id, name, arguments) of each."""
    made: dict[int, tuple[str | None, str, str]] = {}
    for delta in Answer().feed(events):
        assert isinstance(delta, ToolCallDelta)
        if delta.index not in made:
            assert delta.name
            made[delta.index] = (delta.id, delta.name, "")
        identity, name, arguments = made[delta.index]
        made[delta.index] = (identity, name, arguments + delta.arguments)
    return [each for _, each in sorted(made.items())]


def test_text_and_thought_come_as_deltas():
    deltas = fed(
        Answer(),
        [
            chunk({"role": "assistant", "content": ""}),
            chunk({"reasoning_content": "hm"}),
            chunk({"reasoning": "so"}),
            chunk({"content": "Hello"}),
            chunk({"content": None}),
        ],
    )

    assert deltas == [ThinkingDelta("hm"), ThinkingDelta("so"), TextDelta("Hello")]


@pytest.mark.parametrize(
    "event",
    [
        b'{"choices":[]}',
        b'{"choices":null}',
        b"{}",
        b'{"choices":[{"index":0}]}',
        b'{"choices":[{"delta":null,"finish_reason":null}]}',
        b'{"choices":[{"delta":{"role":"assistant"}}]}',
        b'{"choices":[{"delta":{"content":"","tool_calls":[]},"finish_reason":""}],"usage":null,"error":null}',
        b"",
        b"  ",
    ],
)
def test_a_chunk_that_says_nothing_is_passed_over(event):
    answer = Answer()

    assert fed(answer, [event]) == []
    assert not answer.is_complete


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("stop", "stop"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("eos_token", "unknown"),
    ],
)
def test_the_end_has_a_reason(given, reason):
    answer = Answer()
    fed(answer, [chunk({}, given)])

    assert answer.finish() == Finish(reason)


def test_usage_is_counted_with_what_was_cached():
    usage = {"prompt_tokens": 100, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 80}}
    answer = Answer()
    fed(answer, [chunk({}, "stop"), json.dumps({"choices": [], "usage": usage}).encode(), b"[DONE]"])

    assert answer.done
    assert answer.finish() == Finish("stop", Usage(input_tokens=100, output_tokens=7, cache_input_tokens=80))


@pytest.mark.parametrize(
    "usage", [{}, {"prompt_tokens": None}, {"prompt_tokens_details": None}, {"prompt_tokens_details": {}}]
)
def test_usage_may_be_incomplete(usage):
    answer = Answer()
    fed(answer, [chunk({}, "stop", usage=usage)])

    assert answer.finish().usage == Usage()


def test_an_answer_without_an_end_was_cut():
    answer = Answer()
    fed(answer, [chunk({"content": "half"})])

    with pytest.raises(ModelError) as caught:
        answer.finish()
    assert caught.value.kind == "connection"


def test_a_refusal_is_text_and_a_reason():
    answer = Answer()

    assert fed(answer, [chunk({"refusal": "I will not."}), chunk({}, "stop")]) == [TextDelta("I will not.")]
    assert answer.finish().reason == "refusal"


def test_interleaved_calls_are_kept_apart():
    made = calls(
        piece("", 0, "a", "one"),
        piece("", 1, "b", "two"),
        piece('{"x"', 0),
        piece('{"y"', 1),
        piece(":1}", 0),
        piece(":2}", 1),
    )

    assert made == [("a", "one", '{"x":1}'), ("b", "two", '{"y":2}')]


def test_calls_are_numbered_from_nought():
    made = calls(piece("{}", 7, "a", "one"), piece("{}", 3, "b", "two"))

    assert made == [("a", "one", "{}"), ("b", "two", "{}")]


def test_a_missing_index_is_made_up():
    made = calls(
        piece('{"x":', None, "a", "one"), piece("1}", None), piece("{", None, "b", "two"), piece("}", None, "b")
    )

    assert made == [("a", "one", '{"x":1}'), ("b", "two", "{}")]


def test_calls_that_all_have_the_same_index_are_kept_apart():
    made = calls(piece("{}", 0, "a", "one"), piece("{}", 0, "b", "two"))

    assert made == [("a", "one", "{}"), ("b", "two", "{}")]


def test_a_name_that_is_repeated_begins_no_new_call():
    made = calls(piece("{", 0, "a", "one"), piece("}", 0, "a", "one"), piece("", 0, None, "one"))

    assert made == [("a", "one", "{}")]


def test_a_call_waits_for_its_name():
    made = calls(piece("{", 0, "a"), piece('"x":', 0), piece("1}", 0, None, "one"))

    assert made == [("a", "one", '{"x":1}')]


def test_calls_whose_ids_come_twice_or_not_at_all_are_kept_apart():
    made = calls(
        piece("{}", 0, "a", "one"),
        piece("{}", 1, "a", "two"),
        piece("{}", 2, None, "three"),
        piece("{}", 3, "", "four"),
    )

    assert made == [("a", "one", "{}"), ("a", "two", "{}"), (None, "three", "{}"), ("", "four", "{}")]


def test_arguments_may_come_as_an_object():
    made = calls(chunk({"tool_calls": [{"id": "a", "function": {"name": "one", "arguments": {"x": 1}}}]}))

    assert made == [("a", "one", '{"x":1}')]


def test_calls_are_the_reason_even_when_the_server_says_stop():
    answer = Answer()
    fed(answer, [piece("{}", 0, "a", "one"), chunk({}, "stop")])

    assert answer.finish().reason == "tool_calls"


def test_a_call_that_was_cut_by_length_says_so():
    answer = Answer()
    fed(answer, [piece('{"x', 0, "a", "one"), chunk({}, "length")])

    assert answer.finish().reason == "length"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "slow down", "code": 429}, "rate_limit"),
        ({"message": "slow down", "code": "429"}, "rate_limit"),
        ({"message": "slow down", "type": "rate_limit_exceeded"}, "rate_limit"),
        ({"message": "pay", "code": "insufficient_quota"}, "rate_limit"),
        ({"message": "who?", "type": "authentication_error"}, "authentication"),
        ({"message": "long", "code": "context_length_exceeded"}, "invalid_request"),
        ({"message": "broke", "type": "server_error"}, "upstream"),
        ({"message": "broke", "code": 502}, "upstream"),
        ({}, "upstream"),
        ("broke", "upstream"),
    ],
)
def test_an_error_in_the_stream_is_classified(error, kind):
    with pytest.raises(ModelError) as caught:
        fed(Answer(), [json.dumps({"error": error}).encode()])

    assert caught.value.kind == kind


def test_an_error_may_stand_at_the_top():
    with pytest.raises(ModelError) as caught:
        fed(Answer(), [b'{"object":"error","message":"too long","type":"BadRequestError","code":400}'])

    assert caught.value.kind == "invalid_request"


@pytest.mark.parametrize(
    "event",
    [b"{not json", b"[]", b"1", b'"x"', b'{"choices":1}', b'{"choices":[{"delta":{"content":[1]}}]}', b"[" * 100_000],
)
def test_a_malformed_chunk_is_an_upstream_error(event):
    with pytest.raises(ModelError) as caught:
        fed(Answer(), [event])

    assert caught.value.kind == "upstream"
    assert len(caught.value.detail) < 2000


def test_errors_hold_no_secret():
    for event in (b'{"error":{"message":"bad key sk-canary"}}', b"{sk-canary"):
        with pytest.raises(ModelError) as caught:
            fed(Answer(secrets=("sk-canary",)), [event])

        assert "sk-canary" not in caught.value.detail


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b'"a\\ud83d"', "a\ufffd"),
        (b'"\\ude00b"', "\ufffdb"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"a\xffb"', "a\ufffdb"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
    ],
)
def test_what_is_no_unicode_is_replaced(raw, text):
    (delta,) = fed(Answer(), [b'{"choices":[{"delta":{"content":' + raw + b"}}]}"])

    assert delta == TextDelta(text)
    text.encode()


def test_sound_becomes_one_wav_with_its_words():
    answer = Answer()
    samples = base64.b64encode(b"\x00\x01").decode()

    deltas = fed(answer, [chunk({"audio": {"data": samples, "transcript": "Hi"}}), chunk({"audio": {"data": samples}})])

    assert deltas[0] == TextDelta("Hi")
    sounds = [delta for delta in deltas if isinstance(delta, DataDelta)]
    wav = b"".join(base64.b64decode(delta.data, validate=True) for delta in sounds)
    assert wav.startswith(b"RIFF")
    assert wav[44:] == b"\x00\x01\x00\x01"


def test_nothing_after_the_end_is_read():
    answer = Answer()

    assert fed(answer, [chunk({}, "stop"), b"[DONE]", b"{rubbish"]) == []
    assert answer.done


def test_what_came_before_a_fault_is_not_lost():
    deltas = Answer().feed([chunk({"content": "Hel"}), chunk({"content": "lo"}), b'{"error":{"message":"overloaded"}}'])

    assert [next(deltas), next(deltas)] == [TextDelta("Hel"), TextDelta("lo")]
    with pytest.raises(ModelError):
        next(deltas)
