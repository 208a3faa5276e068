"""Tools that the client carries out: handed out, waited for, and answered with a result."""

from typing import Any

import pytest

from agentsvc.agent.tool import tool
from agentsvc.domain import events as ev
from agentsvc.domain.messages import Base64Source, DataBlock, TextBlock, ToolResultBlock, ToolResultState
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, call, text


@tool(external=True)
async def locate(place: str) -> str:
    """Where the user is."""
    raise AssertionError("it never runs here")


@tool(read_only=True)
async def here() -> str:
    """What is here."""
    return "home"


def result(call_id: str, output: Any = "Paris", state: ToolResultState = "success") -> ToolResultBlock:
    return ToolResultBlock(id=call_id, name="locate", output=output, state=state)


async def parked(*more: Any) -> tuple[Talk, str]:
    talk = Talk(
        ScriptedModel([*call("locate", '{"place":"x"}'), *more], text("Done")), tools=[locate, here], mode="default"
    )
    await talk.say("go")
    return talk, talk.of(ev.RequireExternalExecution)[0].tool_calls[0].id


async def answered(talk: Talk, *results: ToolResultBlock) -> Any:
    return await talk.go_on(answer=ev.ExternalExecutionResult(reply_id=talk.reply.id, execution_results=list(results)))


async def test_an_external_call_is_handed_out_and_parks_the_reply() -> None:
    talk, call_id = await parked()

    assert talk.kinds()[-2:] == ["TOOL_RESULT_START", "REQUIRE_EXTERNAL_EXECUTION"]
    assert talk.reply.parked
    assert [(each.id, each.kind) for each in talk.state.approvals] == [(call_id, "external_execution")]


@pytest.mark.parametrize("state", ["success", "error", "denied", "interrupted"])
async def test_its_result_comes_from_the_client(state: ToolResultState) -> None:
    talk, call_id = await parked()
    image = DataBlock(source=Base64Source(data="aGk=", media_type="image/png"))

    message = await answered(talk, result(call_id, [TextBlock(text="Paris"), image], state))

    found = next(block for block in message.content if isinstance(block, ToolResultBlock))
    assert [str(each.__struct_config__.tag) for each in found.output if not isinstance(each, str)] == ["text", "data"]
    assert (found.state, message.finished_reason) == (state, "completed")
    assert talk.state.approvals[0].status == "executed"


async def test_calls_of_here_run_beside_it() -> None:
    talk, call_id = await parked(*call("here", index=1))
    ran = [event.tool_call_id for event in talk.of(ev.ToolResultEnd)]

    message = await answered(talk, result(call_id))

    assert len(ran) == 1
    assert message.finished_reason == "completed"


async def test_a_result_for_an_unknown_call_or_a_second_one_changes_nothing() -> None:
    talk, call_id = await parked()

    await answered(talk, result("unknown"))

    assert (talk.events, talk.reply.parked) == ([], True)
    message = await answered(talk, result(call_id), result(call_id, "Rome"))
    found = next(block for block in message.content if isinstance(block, ToolResultBlock))
    assert isinstance(found.output, list)
    assert [each.text for each in found.output if isinstance(each, TextBlock)] == ["Paris"]


async def test_its_events_fold_to_what_the_agent_remembers() -> None:
    talk, call_id = await parked()
    seen = list(talk.events)

    message = await answered(talk, result(call_id))

    talk.events[:0] = seen
    assert talk.folded() == message == talk.state.context[-1]
