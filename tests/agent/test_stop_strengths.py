"""A reply is stopped after the step in progress or at once, and the strongest wish counts."""

import asyncio

import pytest

from agentsvc.agent.interruption import Interrupted, Interruption
from agentsvc.agent.tool import tool
from agentsvc.domain import events as ev
from agentsvc.domain.runs import Stop
from agentsvc.domain.states import AgentState
from tests.agent.gates import At, Gate, goes_on, results, stopped, whole
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, Step, call, text

# -- after the step


async def test_after_the_step_the_answer_is_complete_and_its_calls_do_not_begin() -> None:
    gate = Gate()
    steps: list[Step] = [*text("I will "), gate.reached.set, gate.open, *text("touch it."), *call("touch")]
    talk = Talk(ScriptedModel(steps, text("again")), tools=gate.tools())
    task = asyncio.create_task(talk.say("go"))
    await asyncio.wait_for(gate.reached.wait(), 5)

    talk.interruption.request("step")
    gate.open.set()
    message = await task

    assert (message.text(), message.finished_reason) == ("I will touch it.", "interrupted")
    assert (results(message), gate.ran) == ({"touch": "interrupted"}, [])
    assert [event.finished_reason for event in talk.of(ev.ModelCallEnd)] == ["completed"]
    whole(talk)
    await goes_on(talk)


async def test_after_the_step_the_calls_that_run_have_their_results_and_the_others_do_not_begin() -> None:
    gate = Gate()
    two = [*call("wait"), *call("alone", index=1)]
    model = ScriptedModel(two, text("again"))
    talk = Talk(model, tools=gate.tools())
    task = asyncio.create_task(talk.say("go"))
    await asyncio.wait_for(gate.reached.wait(), 5)

    talk.interruption.request("step")
    gate.open.set()
    message = await task

    assert (results(message), gate.ran) == ({"wait": "success", "alone": "interrupted"}, [])
    assert (message.finished_reason, len(model.requests)) == ("interrupted", 1)
    assert any(_result(state) == "success" for state in talk.journal.recorded if state.reply_context.reply_id)
    whole(talk)
    await goes_on(talk)


def _result(state: AgentState) -> str | None:
    return results(state.context[-1]).get("wait")


async def test_a_reply_that_ends_with_the_step_is_complete_and_the_wish_is_forgotten() -> None:
    gate = Gate()
    talk = Talk(ScriptedModel([*text("Hel"), gate.reached.set, gate.open, *text("lo")], text("again")))
    task = asyncio.create_task(talk.say("go"))
    await asyncio.wait_for(gate.reached.wait(), 5)

    talk.interruption.request("step")
    gate.open.set()
    message = await task

    assert (message.text(), message.finished_reason) == ("Hello", "completed")
    whole(talk)
    await goes_on(talk)


async def test_a_structured_output_that_comes_with_the_step_completes_the_reply() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    model = ScriptedModel(call("GenerateStructuredOutput", '{"city": "Vigo"}'))
    talk = stopped(At(ev.ToolResultEnd, "step"), model, Gate())

    message = await talk.say("go", schema=schema)

    assert message.finished_reason == "completed"
    assert message.structured_output == {"city": "Vigo"}


async def test_a_question_of_the_step_does_not_park_the_reply() -> None:
    talk = stopped(At(ev.RequireUserConfirm, "step"), ScriptedModel(call("touch"), text("again")), Gate(), "default")

    message = await talk.say("go")

    assert (talk.reply.parked, message.finished_reason) == (False, "interrupted")
    assert [each.status for each in talk.state.approvals] == ["withdrawn"]
    whole(talk)
    await goes_on(talk)


async def test_a_parked_reply_ends_at_a_wish_for_the_end_of_the_step() -> None:
    talk = Talk(ScriptedModel(call("touch"), text("again")), tools=Gate().tools(), mode="default")
    await talk.say("go")
    seen = list(talk.events)
    talk.interruption.request("step")

    message = await talk.go_on()

    assert message.finished_reason == "interrupted"
    talk.events[:0] = seen
    whole(talk)
    await goes_on(talk)


async def test_the_model_is_not_asked_when_the_wish_comes_with_the_last_result() -> None:
    model = ScriptedModel(call("touch"), text("again"))
    talk = stopped(At(ev.ToolResultEnd, "step"), model, Gate())

    message = await talk.say("go")

    assert (results(message), len(model.requests)) == ({"touch": "success"}, 1)
    assert message.finished_reason == "interrupted"


async def test_calls_that_were_only_announced_do_not_begin() -> None:
    gate = Gate()
    talk = stopped(At(ev.ToolResultStart, "step"), ScriptedModel(call("touch"), text("again")), gate)

    message = await talk.say("go")

    assert (gate.ran, results(message)) == ([], {"touch": "interrupted"})


async def test_nobody_is_asked_about_calls_that_will_not_begin() -> None:
    @tool(always_allowed=True)
    async def look() -> str:
        """Look."""
        return "seen"

    @tool(concurrent=False)
    async def risk() -> str:
        """Risk it."""
        raise AssertionError("nobody allowed it")

    at = At(ev.ToolResultEnd, "step")
    two = [*call("look"), *call("risk", index=1)]
    talk = Talk(ScriptedModel(two), tools=[look, risk], middlewares=[at], mode="default")
    at.interruption = talk.interruption

    message = await talk.say("go")

    assert (talk.asked(), talk.state.approvals) == ([], [])
    assert results(message) == {"look": "success", "risk": "interrupted"}


# -- which wish counts


@pytest.mark.parametrize("weaker", ["step", "now"])
async def test_a_weaker_wish_takes_nothing_from_a_stronger_one(weaker: Stop) -> None:
    talk = Talk(ScriptedModel([*text("Hel"), asyncio.Event()]))
    task = asyncio.create_task(talk.say("go"))
    await talk.until(ev.TextBlockDelta)

    talk.interruption.request("discard")
    talk.interruption.request(weaker)
    await asyncio.wait_for(task, 5)

    assert talk.reply.discarded


async def test_a_stronger_wish_does_not_wait_for_the_step() -> None:
    talk = Talk(ScriptedModel([*text("Hel"), asyncio.Event()]))
    task = asyncio.create_task(talk.say("go"))
    await talk.until(ev.TextBlockDelta)
    talk.interruption.request("step")

    talk.interruption.request("now")
    message = await asyncio.wait_for(task, 5)

    assert (message.text(), message.finished_reason) == ("Hel", "interrupted")
    assert not talk.reply.discarded


async def test_a_wish_for_the_end_of_the_step_ends_no_wait() -> None:
    interruption = Interruption()
    woken = asyncio.Event()

    async def guarded() -> str:
        with interruption:
            await woken.wait()
        with interruption:
            return "done"

    task = asyncio.create_task(guarded())
    await asyncio.sleep(0)
    interruption.request("step")
    woken.set()

    assert await task == "done"
    with pytest.raises(Interrupted):
        interruption.between_steps()


async def test_a_guard_inside_another_leaves_the_outer_one_on_watch() -> None:
    interruption = Interruption()

    async def guarded() -> None:
        with interruption:
            with interruption:
                await asyncio.sleep(0)
            await asyncio.Event().wait()

    task = asyncio.create_task(guarded())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    interruption.request()

    with pytest.raises(Interrupted):
        await asyncio.wait_for(task, 5)
    assert task.cancelling() == 0
