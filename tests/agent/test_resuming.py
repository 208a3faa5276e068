"""A reply that is not at its end is gone on with: by nobody's word, by an answer, but not by just any."""

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest
from msgspec.structs import replace

from agentsvc.agent.answers import Answer
from agentsvc.agent.tool import ToolBase, tool
from agentsvc.domain import events as ev
from agentsvc.domain.messages import TextBlock, ToolCallBlock, ToolResultBlock
from agentsvc.domain.states import AgentState
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, call, text

RAN: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    RAN.clear()


@tool
async def touch() -> str:
    """Make a file."""
    RAN.append("touch")
    return "made"


@tool(read_only=True)
async def look() -> str:
    """See what is there."""
    RAN.append("look")
    return "nothing"


@tool(external=True)
async def locate() -> str:
    """Where the user is."""
    raise AssertionError("the client carries it out")


TOOLS: list[ToolBase] = [touch, look, locate]


async def parked() -> Talk:
    two = [*call("touch"), *call("locate", index=1)]
    talk = Talk(ScriptedModel(two, text("Done")), tools=TOOLS, mode="default")
    await talk.say("go")
    return talk


def confirmation(call: ToolCallBlock, reply_id: str) -> Answer:
    return ev.UserConfirmResult(reply_id=reply_id, confirm_results=[ev.ConfirmResult(confirmed=True, tool_call=call)])


def execution(call: ToolCallBlock, reply_id: str) -> Answer:
    result = ToolResultBlock(id=call.id, name=call.name, output="Paris", state="success")
    return ev.ExternalExecutionResult(reply_id=reply_id, execution_results=[result])


async def test_without_input_unfinished_work_is_gone_on_with_where_it_was_recorded() -> None:
    first = Talk(ScriptedModel(call("look"), text("Done")), tools=TOOLS)
    await first.say("go")
    before, after = first.journal.recorded[2], len(first.journal.recorded)
    RAN.clear()
    second = Talk(ScriptedModel(text("Done after all")), tools=TOOLS, state=before)
    second.reload()

    message = await second.go_on()

    assert after > 3
    assert (message.id, message.text(), RAN) == (first.reply.id, "Done after all", [])
    assert second.kinds()[0] == "CUSTOM"
    assert "REPLY_START" not in second.kinds()


async def test_without_input_and_with_nothing_to_do_there_is_a_new_reply() -> None:
    talk = Talk(ScriptedModel(text("Hello")))

    message = await talk.go_on()

    assert (message.text(), [each.role for each in talk.state.context]) == ("Hello", ["assistant"])


async def test_a_parked_reply_that_is_gone_on_with_asks_nothing_anew() -> None:
    talk = await parked()
    before, approvals = talk.state.context[-1], talk.state.approvals

    await talk.go_on()

    assert talk.kinds() == ["CUSTOM"]
    assert talk.reply.parked
    assert (talk.state.context[-1], talk.state.approvals, RAN) == (before, approvals, [])


async def test_a_parked_reply_is_answered_in_another_process() -> None:
    talk = await parked()
    asked = talk.asked()[0]
    talk.reload()

    await talk.confirm(asked)
    waiting = talk.reply.parked
    talk.reload()
    submitted = next(
        block for block in talk.state.context[-1].content if isinstance(block, ToolCallBlock) and block.name == "locate"
    )
    message = await talk.go_on(answer=execution(submitted, talk.reply.id))

    assert (waiting, RAN) == (True, ["touch"])
    assert (message.finished_reason, message.text()) == ("completed", "Done")


@pytest.mark.parametrize("make", [confirmation, execution])
async def test_an_answer_with_the_id_of_another_reply_is_refused(make: Callable[[ToolCallBlock, str], Answer]) -> None:
    talk = await parked()
    before = msgspec.json.encode(talk.state)
    calls = [block for block in talk.state.context[-1].content if isinstance(block, ToolCallBlock)]

    for each in calls:
        await talk.go_on(answer=make(each, "another"))

    assert (talk.events, talk.reply.parked, RAN) == ([], True, [])
    assert msgspec.json.encode(talk.state) == before


@pytest.mark.parametrize("make", [confirmation, execution])
async def test_an_answer_for_an_unknown_call_is_refused(make: Callable[[ToolCallBlock, str], Answer]) -> None:
    talk = await parked()
    before = msgspec.json.encode(talk.state)
    calls = [block for block in talk.state.context[-1].content if isinstance(block, ToolCallBlock)]

    for each in calls:
        await talk.go_on(answer=make(replace(each, id="unknown"), talk.reply.id))

    assert (talk.events, talk.reply.parked, RAN) == ([], True, [])
    assert msgspec.json.encode(talk.state) == before


async def test_an_answer_to_a_question_of_the_other_kind_is_refused() -> None:
    talk = await parked()
    asked, handed = talk.asked()[0], talk.of(ev.RequireExternalExecution)[0].tool_calls[0]

    await talk.go_on(answer=execution(asked, talk.reply.id))
    first = list(talk.events)
    await talk.go_on(answer=confirmation(handed, talk.reply.id))

    assert (first, talk.events, talk.reply.parked, RAN) == ([], [], True, [])


async def test_an_answer_that_was_recorded_counts_for_the_next_worker() -> None:
    talk = await parked()
    asked = talk.asked()[0]
    begun = len(talk.journal.recorded)
    await talk.confirm(asked)
    answered = talk.journal.recorded[begun]
    second = Talk(ScriptedModel(), tools=TOOLS, state=answered, mode="default")
    second.reload()
    RAN.clear()

    await second.go_on()

    (value,) = [event.value for event in second.of(ev.Custom) if event.name == ev.REPLY_RESUMED]
    assert value["reply_id"] == talk.reply.id
    assert (RAN, second.reply.parked) == (["touch"], True)
    assert [each.status for each in second.state.approvals] == ["approved", "pending"]


async def test_a_call_that_is_done_again_gives_its_result_from_the_start() -> None:
    other_is_done = asyncio.Event()

    @tool(always_allowed=True, idempotent=True)
    async def again() -> AsyncIterator[str]:
        """Say it in two pieces."""
        yield "one"
        await other_is_done.wait()
        yield "two"

    def halfway(state: AgentState) -> bool:
        results = [block for block in state.context[-1].content if isinstance(block, ToolResultBlock)]
        return {(each.name, each.state) for each in results} == {("again", "running"), ("look", "success")}

    first = Talk(ScriptedModel([*call("again"), *call("look", index=1)], text("Done")), tools=[again, look])
    task = asyncio.create_task(first.say("go"))
    await first.until(ev.ToolResultEnd)
    other_is_done.set()
    await task
    recorded = next(state for state in first.journal.recorded if halfway(state))
    second = Talk(ScriptedModel(text("Done")), tools=[again, look], state=recorded)
    second.reload()

    message = await second.go_on()

    assert "one" in str(recorded.context[-1].content)
    (result,) = [block for block in message.content if isinstance(block, ToolResultBlock) and block.name == "again"]
    assert [item.text for item in result.output if isinstance(item, TextBlock)] == ["onetwo"]
