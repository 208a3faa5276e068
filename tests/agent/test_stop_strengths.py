"""A reply is stopped after the step in progress, at once, or as if it had never been."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from agentsvc.agent.agent import AgentMiddleware, Handler
from agentsvc.agent.context.summary import SUMMARY_SCHEMA
from agentsvc.agent.context.tokens import count
from agentsvc.agent.interruption import Interrupted, Interruption
from agentsvc.agent.tool import ToolBase, tool
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.messages import Msg, TextBlock, ToolResultBlock
from agentsvc.domain.permissions import PermissionMode, PermissionRule
from agentsvc.domain.runs import Stop
from agentsvc.domain.states import AgentState
from tests.agent.replies import Talk
from tests.agent.wholeness import check_message, check_order
from tests.fakes.models import ScriptedModel, Step, call, text


class Gate:
    """Where a tool waits until it is let through."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self.ran: list[str] = []

    def tools(self) -> list[ToolBase]:
        @tool
        async def wait() -> str:
            """Wait."""
            self.reached.set()
            await self.open.wait()
            return "waited"

        @tool(concurrent=False)
        async def alone() -> str:
            """Run alone."""
            self.ran.append("alone")
            return "ran"

        @tool
        async def touch() -> str:
            """Touch."""
            self.ran.append("touch")
            return "touched"

        return [wait, alone, touch]


class At(AgentMiddleware):
    """Asks for a stop right after the first event of a kind."""

    def __init__(self, kind: type[ev.Event], strength: Stop) -> None:
        self._kind = kind
        self._strength: Stop = strength
        self.interruption: Interruption

    async def on_reply(
        self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
    ) -> AsyncIterator[ev.Event]:
        async for event in next_handler():
            yield event
            if isinstance(event, self._kind):
                self.interruption.request(self._strength)


def stopped(at: At, model: ScriptedModel, gate: Gate, mode: PermissionMode = "bypass") -> Talk:
    talk = Talk(model, tools=gate.tools(), middlewares=[at], mode=mode)
    at.interruption = talk.interruption
    return talk


def results(message: Msg) -> dict[str, str]:
    return {block.name: block.state for block in message.content if isinstance(block, ToolResultBlock)}


def whole(talk: Talk) -> None:
    """All is closed, and the events say what came of the reply."""
    check_order(talk.events, ended=True)
    check_message(talk.reply.message, ended=True)
    assert talk.folded() == talk.reply.message
    assert talk.state.reply_context.reply_id == ""
    assert all(each.status != "pending" for each in talk.state.approvals)


async def goes_on(talk: Talk) -> None:
    talk.interruption.reset()
    talk.reload()
    assert (await talk.say("again")).finished_reason == "completed"


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


# -- discarded


async def test_a_discarded_reply_is_not_in_the_context_and_its_end_says_so() -> None:
    talk = Talk(ScriptedModel(text("Hello"), [*text("Hel"), asyncio.Event()], text("again")))
    await talk.say("hi")
    talk.interruption.reset()
    before = list(talk.state.context)
    asked = Msg.user("and?")
    talk.events.clear()
    task = asyncio.create_task(talk.go_on([asked]))
    await talk.until(ev.TextBlockDelta)

    talk.interruption.request("discard")
    await asyncio.wait_for(task, 5)

    [end] = talk.of(ev.ReplyEnd)
    assert (end.finished_reason, end.metadata) == ("interrupted", {"discarded": True})
    assert talk.reply.discarded
    assert talk.state.context == [*before, asked]
    whole(talk)
    assert talk.journal.recorded[-1] == talk.state
    await goes_on(talk)


async def test_a_parked_reply_can_be_discarded() -> None:
    talk = Talk(ScriptedModel(call("touch"), text("again")), tools=Gate().tools(), mode="default")
    await talk.say("go")
    seen = list(talk.events)
    talk.reload()
    talk.interruption.request("discard")

    await talk.go_on()

    assert [each.role for each in talk.state.context] == ["user"]
    assert [each.status for each in talk.state.approvals] == ["withdrawn"]
    talk.events[:0] = seen
    whole(talk)
    await goes_on(talk)


async def test_what_a_tool_has_changed_stays_when_the_reply_is_discarded() -> None:
    gate = Gate()
    two = [*call("touch"), *call("wait", index=1)]
    talk = Talk(ScriptedModel(two, text("again")), tools=gate.tools(), mode="default")
    await talk.say("go")
    rule = PermissionRule(tool_name="touch", rule_content=None, behavior="allow")
    [asked] = [each for each in talk.asked() if each.name == "touch"]
    talk.events.clear()
    talk.interruption.reset()
    task = asyncio.create_task(talk.confirm(asked, rules=[rule]))
    await talk.until(ev.ToolResultEnd)

    talk.interruption.request("discard")
    await asyncio.wait_for(task, 5)

    assert gate.ran == ["touch"]
    assert talk.state.permission_context.allow_rules == {"touch": [rule]}
    assert [each.role for each in talk.state.context] == ["user"]


async def test_a_reply_that_was_just_complete_is_discarded_all_the_same() -> None:
    talk = stopped(At(ev.ModelCallEnd, "discard"), ScriptedModel(text("Hello")), Gate())

    message = await talk.say("hi")

    assert talk.reply.discarded
    assert message.finished_reason == "interrupted"
    assert [each.role for each in talk.state.context] == ["user"]


async def test_a_count_of_tokens_that_pointed_at_a_discarded_reply_is_none() -> None:
    talk = Talk(ScriptedModel(call("wait"), text("again")), tools=Gate().tools())
    task = asyncio.create_task(talk.say("x" * 400))
    await talk.until(ev.ToolResultStart)

    talk.interruption.request("discard")
    await asyncio.wait_for(task, 5)

    assert count(talk.state.context, talk.state.token_count, 0) == 100
    talk.interruption.reset()
    talk.reload()
    await talk.say("y" * 400)
    assert count(talk.state.context, talk.state.token_count, 0) == 15


async def test_what_was_said_to_a_discarded_reply_stands_by_itself() -> None:
    came = Msg(id="m1", name="ada", role="user", content=[TextBlock(text="I am Ada")])
    deliveries: list[Sequence[Msg]] = [[came]]

    async def post() -> Sequence[Msg]:
        return deliveries.pop() if deliveries else ()

    gate = Gate()
    model = ScriptedModel(call("touch"), [*text("Hel"), asyncio.Event()], text("again"))
    talk = Talk(model, tools=gate.tools(), arrivals=post)
    task = asyncio.create_task(talk.say("go"))
    await talk.until(ev.TextBlockDelta)

    talk.interruption.request("discard")
    await asyncio.wait_for(task, 5)

    assert [(each.role, each.text()) for each in talk.state.context] == [("user", "go"), ("user", "I am Ada")]
    assert (talk.state.context[-1].id, talk.state.context[-1].name) == ("m1", "ada")
    await goes_on(talk)


async def test_a_summary_that_has_swallowed_part_of_a_discarded_reply_stays() -> None:
    @tool
    async def read() -> str:
        """Read a long text."""
        return "x" * 2000

    summary = json.dumps(dict.fromkeys(SUMMARY_SCHEMA["required"], "nothing"))
    model = ScriptedModel(call("read"), call("write_summary", summary), [*text("Hel"), asyncio.Event()], text("again"))
    model.context_size = 1000
    config = ContextConfig(trigger_ratio=0.5, reserve_ratio=0.0)
    talk = Talk(model, tools=[read], context_config=config)
    task = asyncio.create_task(talk.say("hi"))
    await talk.until(ev.TextBlockDelta)

    talk.interruption.request("discard")
    await asyncio.wait_for(task, 5)

    assert talk.state.summary
    assert talk.state.context == []
    await goes_on(talk)


class Late(AgentMiddleware):
    """Fails when the reply is about to be closed."""

    async def on_reply(
        self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
    ) -> AsyncIterator[ev.Event]:
        async for event in next_handler():
            if isinstance(event, ev.TextBlockEnd):
                raise RuntimeError("boom")
            yield event


async def test_a_reply_that_fails_while_it_is_discarded_is_discarded() -> None:
    talk = Talk(ScriptedModel([*text("Hel"), asyncio.Event()], text("again")), middlewares=[Late()])
    task = asyncio.create_task(talk.say("go"))
    await talk.until(ev.TextBlockDelta)

    talk.interruption.request("discard")
    message = await asyncio.wait_for(task, 5)

    assert (talk.reply.discarded, message.finished_reason, message.error) == (True, "interrupted", None)
    assert [each.role for each in talk.state.context] == ["user"]
