"""A reply that is asked for an answer of a certain form gives it, or ends after so many rounds."""

from typing import Any

import pytest
from msgspec import Struct

from agentsvc.agent.model import ToolChoice
from agentsvc.agent.structured import STRUCTURED_OUTPUT, structured_schema
from agentsvc.agent.tool import tool
from agentsvc.domain import events as ev
from agentsvc.domain.messages import HintBlock, Msg, TextBlock, ToolResultBlock
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, Step, call, text, thinking


class Place(Struct):
    city: str
    country: str = "Spain"


SCHEMA = structured_schema(Place)
AS_JSON = structured_schema(
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "country": {"default": "Spain"}},
        "required": ["city"],
    }
)


def give(arguments: str = '{"city":"Vigo"}') -> list[Step]:
    return call(STRUCTURED_OUTPUT, arguments)


def hints(message: Msg) -> list[str]:
    return [str(block.hint) for block in message.content if isinstance(block, HintBlock)]


def errors(message: Msg) -> list[str]:
    results = [block for block in message.content if isinstance(block, ToolResultBlock) and block.state == "error"]
    return [item.text for each in results for item in each.output if isinstance(item, TextBlock)]


@pytest.mark.parametrize("schema", [SCHEMA, AS_JSON])
async def test_the_answer_ends_the_reply_and_stands_in_the_message_and_the_last_event(schema: dict[str, Any]) -> None:
    model = ScriptedModel(give())
    talk = Talk(model)

    message = await talk.say("where?", schema=schema)

    assert message.structured_output == {"city": "Vigo", "country": "Spain"}
    assert talk.events[-1].metadata == {"structured_output": message.structured_output}
    assert (message.finished_reason, len(model.requests)) == ("completed", 1)
    assert message == talk.folded() == talk.state.context[-1]


async def test_the_next_reply_is_not_asked_for_it() -> None:
    model = ScriptedModel(give(), text("Hello"))
    talk = Talk(model)
    await talk.say("where?", schema=SCHEMA)

    message = await talk.say("hi")

    assert (message.text(), message.structured_output) == ("Hello", None)
    assert [schema.name for schema in model.requests[-1].tools] == []


async def test_an_answer_in_words_is_told_to_be_given_by_the_tool() -> None:
    model = ScriptedModel(text("It is Vigo."), give())
    talk = Talk(model)

    message = await talk.say("where?", schema=SCHEMA)

    assert (message.finished_reason, len(hints(message))) == ("completed", 1)
    assert STRUCTURED_OUTPUT in hints(message)[0]
    assert [event.hint for event in talk.of(ev.HintBlockEvent)] == hints(message)
    assert model.requests[1].messages[-1].content[-1] == message.content[1]


async def test_thoughts_alone_count_as_a_round_and_no_more() -> None:
    talk = Talk(ScriptedModel(thinking("hm"), give()))

    message = await talk.say("where?", schema=SCHEMA)

    assert message.structured_output is not None


async def test_the_last_rounds_force_the_tool_and_then_it_is_given_up() -> None:
    model = ScriptedModel(*[text("It is Vigo.")] * 4, text("Hello"))
    talk = Talk(model, max_iters=2)

    message = await talk.say("where?", schema=SCHEMA)

    assert [request.tool_choice for request in model.requests] == [
        *[ToolChoice()] * 2,
        *[ToolChoice(STRUCTURED_OUTPUT)] * 2,
    ]
    assert (message.finished_reason, message.structured_output) == ("exceed_max_iters", None)
    assert talk.kinds()[-2:] == ["EXCEED_MAX_ITERS", "REPLY_END"]
    assert ["last chance" in hint for hint in hints(message)] == [False, True, True, True]
    assert (await talk.say("hi")).text() == "Hello"


async def test_a_forced_round_may_still_succeed() -> None:
    talk = Talk(ScriptedModel(*[text("It is Vigo.")] * 2, give()), max_iters=2)

    message = await talk.say("where?", schema=SCHEMA)

    assert (message.finished_reason, message.structured_output is not None) == ("completed", True)


async def test_the_model_is_told_where_its_answer_does_not_match_and_tries_again() -> None:
    model = ScriptedModel(give('{"city": 5, "country": []}'), give('{"country": "Peru"}'), give())
    talk = Talk(model)

    message = await talk.say("where?", schema=SCHEMA)

    wrong, missing = errors(message)
    assert "city: 5 is not of type" in wrong
    assert "country: [] is not of type" in wrong
    assert "'city' is a required property" in missing.replace('"city"', "'city'")
    assert message.structured_output == {"city": "Vigo", "country": "Spain"}


async def test_other_tools_run_before_the_answer() -> None:
    @tool(read_only=True)
    async def look() -> str:
        """See where we are."""
        return "Vigo"

    talk = Talk(ScriptedModel(call("look"), give()), tools=[look], mode="default")

    message = await talk.say("where?", schema=SCHEMA)

    assert message.structured_output is not None


async def test_what_is_asked_for_survives_a_question_and_another_process() -> None:
    @tool
    async def touch() -> str:
        """Make a file."""
        return "made"

    model = ScriptedModel(call("touch"), give('{"city": 5}'), give())
    talk = Talk(model, tools=[touch], mode="default")
    await talk.say("where?", schema=SCHEMA)
    parked = talk.reply.parked
    talk.reload()

    message = await talk.confirm(*talk.asked())

    assert (parked, message.finished_reason) == (True, "completed")
    assert message.structured_output == {"city": "Vigo", "country": "Spain"}
    assert "city: 5 is not of type" in errors(message)[0]


async def test_an_answer_that_was_given_before_a_worker_died_counts() -> None:
    first = Talk(ScriptedModel(give()))
    await first.say("where?", schema=SCHEMA)
    given = next(state for state in first.journal.recorded if state.reply_context.structured_output is not None)
    model = ScriptedModel()
    second = Talk(model, state=given)
    second.reload()

    message = await second.go_on()

    assert (model.requests, message.finished_reason) == ([], "completed")
    assert message.structured_output == {"city": "Vigo", "country": "Spain"}
