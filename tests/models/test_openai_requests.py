"""What is sent to an OpenAI server. ``golden/`` holds each body as it must be, byte for byte, but indented."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsvc.agent.model import ModelRequest, ToolChoice, ToolSchema
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import (
    Base64Source,
    DataBlock,
    HintBlock,
    Msg,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    ToolResultBlock,
    URLSource,
)
from agentsvc.models.openai_requests import encode

GOLDEN = Path(__file__).with_name("golden")
ACCEPTS = ("text/plain", "image/*", "application/pdf", "audio/*")
PIXEL = base64.b64encode(b"pixel").decode()
WEATHER = ToolSchema("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def user(*blocks, name="user"):
    return Msg(name=name, role="user", content=[TextBlock(text=b) if isinstance(b, str) else b for b in blocks])


def bot(*blocks, name="Ada"):
    return Msg(name=name, role="assistant", content=[TextBlock(text=b) if isinstance(b, str) else b for b in blocks])


def data(media_type, source=PIXEL, name=None):
    if ":" in source:
        return DataBlock(source=URLSource(url=source, media_type=media_type), name=name)
    return DataBlock(source=Base64Source(data=source, media_type=media_type), name=name)


def call(number, arguments='{"city":"Ulm"}', name="weather"):
    return ToolCallBlock(id=f"call_{number}", name=name, input=arguments)


def result(number, output: Any = "sunny", name="weather"):
    return ToolResultBlock(id=f"call_{number}", name=name, output=output, state="success")


def body(*messages, accepts=ACCEPTS, options=None, tools=(), choice="auto"):
    request = ModelRequest(messages, tools, ToolChoice(choice))
    return encode(request, "gpt-4o", options or {}, accepts)


def sent(*messages, accepts=ACCEPTS):
    return json.loads(body(*messages, accepts=accepts))["messages"]


HISTORIES = {
    "text": lambda: [
        Msg(name="system", role="system", content=[TextBlock(text="Be brief.")]),
        user("Hi"),
        bot("Hello"),
    ],
    "media": lambda: [
        user(
            "Look:",
            data("image/png"),
            data("image/png", "https://example.com/a.png"),
            data("application/pdf", name="a.pdf"),
            data("audio/mpeg"),
            data("video/mp4", name="film.mp4"),
            data("application/pdf", "https://example.com/a.pdf"),
            data("text/csv", base64.b64encode(b"a,b\n1,2").decode(), name="table.csv"),
        )
    ],
    "unsafe": lambda: [
        user(
            data("image/png", "file:///etc/passwd"),
            data("image/png", "workspace:///data/1.png", name="plot"),
            data("image/png", "ftp://example.com/a.png"),
            data("image/png", "data:image/png;base64,cGl4ZWw="),
        )
    ],
    "hint": lambda: [
        user("Go"),
        bot("Step one.", HintBlock(hint="Hurry up."), "Step two."),
        user("And?"),
        bot(call(1), HintBlock(hint=[TextBlock(text="Look:"), data("image/png")]), result(1), "Done."),
    ],
    "thinking": lambda: [user("Go"), bot(ThinkingBlock(thinking="hm")), bot(ThinkingBlock(thinking="so"), "Yes.")],
    "parallel": lambda: [
        user("Weather in Ulm and Bonn?"),
        bot(
            "I will look.",
            call(1),
            call(2, '{"city":"Bonn"}'),
            result(2, "rain"),
            result(1, [TextBlock(text="sun"), TextBlock(text="no wind")]),
            call(3, ""),
            result(3),
            "Sun and rain.",
        ),
    ],
    "tool_media": lambda: [
        user("Show"),
        bot(
            call(1),
            call(2),
            result(
                1, [TextBlock(text="A picture:"), data("image/png"), data("image/png", "https://example.com/b.png")]
            ),
            result(2, [data("video/mp4"), data("image/png")]),
        ),
    ],
    "several_speakers": lambda: [
        user("Hi", name="Jürgen M."),
        bot("I am Ada", name="Ada Lovelace"),
        bot("I am Alan", name="Alan"),
        user("Hi", name="小明"),
    ],
}


@pytest.mark.parametrize("name", HISTORIES)
def test_a_history_is_encoded_as_it_always_was(name):
    encoded = body(*HISTORIES[name](), tools=[WEATHER], options={"temperature": 0.5})

    assert msgspec.json.format(encoded, indent=1) == (GOLDEN / f"{name}.json").read_bytes().removesuffix(b"\n")


@pytest.mark.parametrize("name", HISTORIES)
def test_the_same_history_gives_the_same_bytes(name):
    assert body(*HISTORIES[name]()) == body(*HISTORIES[name]())


@pytest.mark.parametrize("name", HISTORIES)
def test_every_call_is_followed_by_its_result(name):
    paired(sent(*HISTORIES[name]()))


def paired(messages):
    """Each message with calls is followed at once by exactly their results, in their order."""
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert waiting.pop(0) == message["tool_call_id"]
            continue
        assert not waiting
        waiting = [each["id"] for each in message.get("tool_calls", [])]
    assert not waiting


@pytest.mark.parametrize(
    "blocks",
    [
        [call(1)],
        [call(1), "and on"],
        [call(1), call(2), result(2)],
        [result(1)],
        [result(1), call(1)],
        [call(1), call(1), result(1), result(1)],
        [call(1), result(1), result(1), call(1), result(1)],
        [call(1), "between", call(2), result(1), HintBlock(hint="x"), result(2)],
        [call(1), HintBlock(hint="x"), "text", result(1)],
        [call(1), DataBlock(source=URLSource(url="x", media_type="image/png")), result(1)],
        [HintBlock(hint=""), HintBlock(hint=[])],
        [],
    ],
)
def test_no_history_breaks_the_pairs(blocks):
    paired(sent(user("Go"), bot(*blocks), user("On")))
    paired(sent(bot(*blocks)))


PIECES = st.one_of(
    st.integers(min_value=1, max_value=3).map(call),
    st.integers(min_value=1, max_value=3).map(result),
    st.sampled_from(["text", "", HintBlock(hint="x"), ThinkingBlock(thinking="hm"), data("image/png")]),
)


@given(st.lists(st.lists(PIECES, max_size=8), max_size=4), st.booleans())
def test_no_history_at_all_breaks_the_pairs(replies, spoken):
    messages = [message for reply in replies for message in [bot(*reply), *([user("On")] if spoken else [])]]

    paired(sent(*messages))


def test_a_reply_that_lies_in_two_messages_is_one():
    messages = sent(bot(call(1)), bot(result(1, "sun")))

    assert [message["role"] for message in messages] == ["assistant", "tool"]
    assert messages[1]["content"] == "sun"


def test_text_after_a_call_stays_with_it():
    messages = sent(bot("a", call(1), "b", result(1), "c"))

    assert [(message["role"], message["content"]) for message in messages] == [
        ("assistant", "a\nb"),
        ("tool", "sunny"),
        ("assistant", "c"),
    ]


def test_a_result_without_its_call_is_not_lost():
    assert sent(bot(result(1, "sun"))) == [{"role": "user", "content": "Result of weather: sun"}]


@pytest.mark.parametrize("arguments", ['{"city":', "no json", "[1]", "3", '{"a": "\\ud800"}', "\ud800", "[" * 100_000])
def test_arguments_that_are_no_object_are_quoted_in_one(arguments):
    (message, _) = sent(bot(call(1, arguments), result(1)))

    assert set(json.loads(message["tool_calls"][0]["function"]["arguments"])) == {"malformed_arguments"}


def test_arguments_are_sent_as_they_were_written():
    (message, _) = sent(bot(call(1, '{ "city" : "Ulm" }'), result(1)))

    assert message["tool_calls"][0]["function"]["arguments"] == '{ "city" : "Ulm" }'


def test_an_id_of_another_provider_is_shortened_on_both_sides():
    long = "x" * 500
    block = ToolCallBlock(id=long, name="weather", input="{}")

    call_message, result_message = sent(bot(block, ToolResultBlock(id=long, name="weather", output="sun")))

    assert call_message["tool_calls"][0]["id"] == result_message["tool_call_id"]
    assert len(result_message["tool_call_id"]) <= 40


def test_names_hold_only_what_the_wire_allows():
    message, result_message, _ = sent(
        bot(call(1, name="mcp.files/read now"), result(1), name="Ada <x>"), bot("Hi", name="Alan")
    )

    assert message["name"] == "Ada_x"
    assert message["tool_calls"][0]["function"]["name"] == result_message["name"] == "mcp_files_read_now"


def test_a_lone_surrogate_does_not_stop_a_request():
    assert sent(user("a\ud800b \U0001f600"))[0]["content"] == "a\ufffdb \U0001f600"


def test_what_a_model_cannot_see_is_mentioned():
    (message,) = sent(user(data("image/png", name="plot.png")), accepts=("text/plain",))

    assert message["content"] == "[image/png plot.png: 6 bytes, which this model cannot be shown]"


@pytest.mark.parametrize("broken", ["%%%", "abc", "é"])
def test_a_text_file_that_is_no_base64_is_mentioned(broken):
    (message,) = sent(user(data("text/plain", broken)))

    assert message["content"].startswith("[text/plain]\n")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", None),
        ("none", "none"),
        ("required", "required"),
        ("weather", {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_a_tool_choice_is_written_as_the_wire_has_it(choice, expected):
    assert json.loads(body(user("Hi"), tools=[WEATHER], choice=choice)).get("tool_choice") == expected


def test_a_choice_of_no_tool_is_refused():
    with pytest.raises(ModelError) as caught:
        body(user("Hi"), tools=[WEATHER], choice="wether")

    assert caught.value.kind == "invalid_request"


def test_without_tools_nothing_is_said_of_them():
    fields = json.loads(body(user("Hi"), choice="required", options={"parallel_tool_calls": False, "top_p": 0.5}))

    assert set(fields) == {"model", "messages", "stream", "stream_options", "top_p"}
