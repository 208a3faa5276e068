"""A reply that is discarded is as if it had never been, but for what its tools have done."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from agentsvc.agent.agent import AgentMiddleware, Handler
from agentsvc.agent.context.summary import SUMMARY_SCHEMA
from agentsvc.agent.context.tokens import count
from agentsvc.agent.tool import tool
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.messages import Msg, TextBlock
from agentsvc.domain.permissions import PermissionRule
from tests.agent.gates import At, Gate, goes_on, stopped, whole
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, call, text


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
