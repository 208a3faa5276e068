"""The demo that needs no provider."""

import json

import pytest

from agentsvc.agent.model import Finish, ModelRequest, TextDelta, ToolCallDelta, ToolChoice, ToolSchema
from agentsvc.domain.messages import Block, Msg, TextBlock, ToolCallBlock, ToolResultBlock
from agentsvc.models.demo import DemoChatModel, Parameters
from tests.models.conftest import answer

TOOL = ToolSchema("look", "Looks.", {"type": "object", "properties": {}})


@pytest.fixture
def demo():
    return DemoChatModel(Parameters(pace_ms=0))


def text(deltas):
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def calls(deltas):
    return [delta for delta in deltas if isinstance(delta, ToolCallDelta)]


async def test_it_says_what_it_is_and_repeats_what_it_hears(demo):
    deltas = await answer(demo, "Good morning")

    assert text(deltas).startswith("[demo] This is the built-in demo model")
    assert text(deltas).endswith("You said: Good morning")
    assert len(deltas) > 10
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].usage.output_tokens == len(deltas) - 1


async def test_it_says_the_same_to_the_same(demo):
    request = ModelRequest([Msg.user("Hi\n/tool look {}")], [TOOL])

    assert await answer(demo, request) == await answer(demo, request)


async def test_it_calls_the_tools_that_the_message_asks_for(demo):
    request = ModelRequest([Msg.user('Please\n/tool look {"a": 1}\n  /tool look\n')], [TOOL])

    deltas = await answer(demo, request)

    assert [(call.name, call.arguments) for call in calls(deltas)] == [("look", '{"a": 1}'), ("look", "{}")]
    assert len({call.id for call in calls(deltas)}) == 2
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "tool_calls"


async def test_it_reports_the_results(demo):
    blocks: list[Block] = [
        ToolCallBlock(id="1", name="look", input="{}"),
        ToolResultBlock(id="1", name="look", output=[TextBlock(text="a tree")], state="success"),
    ]
    history = [Msg.user("/tool look {}"), Msg(name="Ada", role="assistant", content=blocks)]

    deltas = await answer(demo, ModelRequest(history, [TOOL]))

    assert not calls(deltas)
    assert text(deltas) == "[demo] The tool look ended with success and returned: a tree"


async def test_the_next_message_may_ask_again(demo):
    blocks: list[Block] = [ToolCallBlock(id="1", name="look"), ToolResultBlock(id="1", name="look", output="a tree")]
    history = [Msg.user("/tool look"), Msg(name="Ada", role="assistant", content=blocks), Msg.user("/tool look")]

    assert len(calls(await answer(demo, ModelRequest(history, [TOOL])))) == 1


async def test_it_says_when_there_is_no_such_tool(demo):
    deltas = await answer(demo, ModelRequest([Msg.user("/tool jump {}")], [TOOL]))

    assert text(deltas) == "[demo] This agent has no tool jump. It has look."


async def test_it_calls_nothing_when_it_may_not(demo):
    deltas = await answer(demo, ModelRequest([Msg.user("/tool look {}")], [TOOL], ToolChoice("none")))

    assert not calls(deltas)


async def test_a_forced_call_gets_arguments_that_fit(demo):
    schema = {
        "type": "object",
        "$defs": {"Colour": {"enum": ["red", "green"]}},
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer", "minimum": 3},
            "colour": {"$ref": "#/$defs/Colour"},
            "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
            "many": {"type": "array", "minItems": 2, "items": {"type": "number"}},
            "kind": {"const": "x"},
            "inner": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]},
            "optional": {"type": "string"},
        },
        "required": ["name", "age", "colour", "maybe", "many", "kind", "inner"],
    }
    request = ModelRequest([Msg.user("Go")], [ToolSchema("fill", "", schema)], ToolChoice("fill"))

    (call,) = calls(await answer(demo, request))

    assert json.loads(call.arguments) == {
        "name": "demo",
        "age": 3,
        "colour": "red",
        "maybe": False,
        "many": [0, 0],
        "kind": "x",
        "inner": {"a": "demo"},
    }


async def test_a_schema_that_refers_to_itself_has_an_end(demo):
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}
    request = ModelRequest([Msg.user("Go")], [ToolSchema("loop", "", schema)], ToolChoice("loop"))

    assert calls(await answer(demo, request))


async def test_a_conversation_without_a_user_is_answered(demo):
    assert text(await answer(demo, ModelRequest([]))).startswith("[demo]")
