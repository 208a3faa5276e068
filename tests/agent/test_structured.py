"""Answers that match a schema."""

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from agentsvc.agent.arguments import BadSchema
from agentsvc.agent.permissions import decide
from agentsvc.agent.structured import structured_schema
from agentsvc.agent.toolkit import Toolkit
from agentsvc.domain.permissions import PermissionContext
from agentsvc.domain.states import AgentState, ReplyContext
from tests.agent.calls import call, text_of

NAME = "GenerateStructuredOutput"


class Place(Struct):
    city: str
    country: str = "Spain"


class Trip(Struct):
    """Where to go."""

    title: str
    start: Place
    days: Annotated[int, Meta(ge=1)] = 3
    end: Place | None = None
    stops: list[Place] = []
    by_name: dict[str, Place] = {}


def asking(schema: dict[str, Any]) -> AgentState:
    return AgentState(session_id="s1", reply_context=ReplyContext(reply_id="r1", structured_schema=schema))


async def give(state: AgentState, value: Any) -> tuple[str, str, dict[str, Any]]:
    text = msgspec.json.encode(value).decode()
    (chunk,) = [each async for each in Toolkit().run(call(NAME, text), state)]
    return chunk.state, text_of([chunk]), chunk.metadata


def titles(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["title"]] if isinstance(node.get("title"), str) else []
        return own + [each for value in node.values() for each in titles(value)]
    return [each for value in node for each in titles(value)] if isinstance(node, list) else []


async def test_the_tool_is_there_while_an_answer_of_that_form_is_wanted():
    kit = Toolkit()

    assert (await kit.snapshot(AgentState(session_id="s1"))).get(NAME) is None
    assert (await kit.snapshot(asking(structured_schema(Place)))).get(NAME) is not None
    assert (await kit.snapshot(AgentState(session_id="s1"))).get(NAME) is None


async def test_an_answer_is_kept_with_its_defaults_and_told():
    state = asking(structured_schema(Trip))
    before = state.reply_context

    outcome, _, metadata = await give(
        state,
        {
            "title": "Sun",
            "start": {"city": "Vigo"},
            "stops": [{"city": "Faro", "country": "Portugal"}, {"city": "Cádiz"}],
        },
    )

    answer = {
        "title": "Sun",
        "start": {"city": "Vigo", "country": "Spain"},
        "days": 3,
        "end": None,
        "stops": [{"city": "Faro", "country": "Portugal"}, {"city": "Cádiz", "country": "Spain"}],
        "by_name": {},
    }
    assert outcome == "running"
    assert metadata == {"structured_output": answer}
    assert state.reply_context == msgspec.structs.replace(before, structured_output=answer)
    assert before.structured_output is None


async def test_defaults_are_filled_inside_alternatives_and_mappings():
    state = asking(structured_schema(Trip))

    await give(state, {"title": "", "start": {"city": "a"}, "end": {"city": "b"}, "by_name": {"x": {"city": "c"}}})

    output = state.reply_context.structured_output
    assert output is not None
    assert output["end"] == {"city": "b", "country": "Spain"}
    assert output["by_name"] == {"x": {"city": "c", "country": "Spain"}}


async def test_defaults_are_not_shared_between_answers():
    schema = structured_schema({"type": "object", "properties": {"list": {"default": []}}})
    one, other = asking(schema), asking(schema)
    await give(one, {})
    output = one.reply_context.structured_output
    assert output is not None
    assert output == {"list": []}

    output["list"].append(1)
    await give(other, {})

    assert other.reply_context.structured_output == {"list": []}


async def test_defaults_of_a_schema_that_contains_itself_end():
    node = {"type": "object", "properties": {"value": {"default": 1}, "next": {"$ref": "#/$defs/node"}}}
    looping = {"$ref": "#/$defs/loop"}
    state = asking(
        structured_schema(
            {**node, "$defs": {"node": node, "loop": {"type": "object"}}, "additionalProperties": looping}
        )
    )

    await give(state, {"next": {"next": {}}})

    assert state.reply_context.structured_output == {"value": 1, "next": {"value": 1, "next": {"value": 1}}}


async def test_the_model_is_told_where_an_answer_does_not_match():
    state = asking(structured_schema(Trip))

    outcome, said, _ = await give(state, {"title": "Sun", "start": {"city": 5}, "days": 0})

    assert outcome == "error"
    assert "start.city: 5 is not of type" in said
    assert "days: 0 is less than the minimum of 1" in said
    assert state.reply_context.structured_output is None


async def test_it_survives_a_pause():
    state = asking(structured_schema(Trip))

    restored = msgspec.json.decode(msgspec.json.encode(state), type=AgentState)
    outcome, _, _ = await give(restored, {"title": "Sun", "start": {"city": "Vigo"}})

    assert outcome == "running"
    assert restored.reply_context.structured_output is not None
    assert restored.reply_context.structured_output["start"]["country"] == "Spain"


async def test_arguments_may_be_called_anything():
    state = asking({"type": "object", "properties": {"self": {}, "tool": {}}})

    await give(state, {"self": 1, "tool": 2, "arguments": 3})

    assert state.reply_context.structured_output == {"self": 1, "tool": 2, "arguments": 3}


def test_titles_go_and_properties_of_that_name_stay():
    schema = structured_schema(
        {
            "title": "Top",
            "type": "object",
            "properties": {
                "title": {"title": "Title", "type": "string"},
                "all": {"title": "All", "type": "array", "items": {"title": "Each", "$ref": "#/$defs/A"}},
                "kept": {"const": {"title": "data"}},
            },
            "additionalProperties": {"title": "Other", "type": "string"},
            "required": ["title"],
            "$defs": {"A": {"title": "A", "type": "object"}},
        }
    )

    assert titles(schema) == ["data"]
    assert schema["properties"]["title"] == {"type": "string"}
    assert schema["required"] == ["title"]


def test_a_class_is_described_as_an_object():
    schema = structured_schema(Trip)

    assert schema["type"] == "object"
    assert schema["description"] == "Where to go."
    assert list(schema["properties"]) == ["title", "start", "days", "end", "stops", "by_name"]
    assert not titles(schema)


def test_an_object_may_be_left_unsaid():
    assert structured_schema({"properties": {}})["type"] == "object"


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array"},
        {},
        {"type": "object", "properties": {"a": {"type": "nonsense"}}},
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/x"}}},
        {"$ref": "#/$defs/none"},
        {"$ref": "#/type", "type": "object"},
    ],
)
def test_what_no_answer_can_match_is_refused(schema):
    with pytest.raises(BadSchema):
        structured_schema(schema)


@pytest.mark.parametrize("mode", ["default", "explore", "dont_ask"])
async def test_giving_the_answer_runs_unasked_in_every_mode(mode):
    tool = (await Toolkit().snapshot(asking(structured_schema(Place)))).get(NAME)
    assert tool is not None

    context = PermissionContext(mode=mode)
    assert decide(tool.name, await tool.check_permissions({}, context), context).behavior == "allow"
