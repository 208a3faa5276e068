"""When the time of a run is up its reply ends at once, with an error that says why."""

import asyncio

from agentsvc.agent.interruption import Interruption
from agentsvc.agent.tool import tool
from agentsvc.domain import events as ev
from agentsvc.domain.messages import Msg, TextBlock, ToolResultBlock
from agentsvc.domain.runs import Stop
from tests.agent.replies import Talk
from tests.agent.wholeness import check_message, check_order
from tests.fakes.models import ScriptedModel, call, text


def hanging() -> Talk:
    return Talk(ScriptedModel([*text("Hel"), asyncio.Event()], text("again")))


async def ended(talk: Talk, *wishes: Stop | None) -> Msg:
    """The reply after these wishes while the model speaks; none is the time."""
    task = asyncio.create_task(talk.say("hi"))
    await talk.until(ev.TextBlockDelta)
    for wish in wishes:
        if wish is None:
            talk.interruption.expire()
        else:
            talk.interruption.request(wish)
    return await asyncio.wait_for(task, 5)


def outcome(message: Msg) -> tuple[str | None, str | None]:
    return message.finished_reason, message.error.type if message.error else None


async def test_the_reply_ends_at_once_and_says_why() -> None:
    talk = hanging()

    message = await ended(talk, None)

    assert outcome(message) == ("error", "time_limit")
    assert message.error is not None
    assert message.error.message == "The run took longer than it may."
    assert message.text() == "Hel"
    check_order(talk.events, ended=True)
    assert message == talk.folded() == talk.state.context[-1]


async def test_the_next_reply_is_not_meant() -> None:
    talk = hanging()
    await ended(talk, None)
    talk.interruption.reset()
    talk.reload()

    message = await talk.say("go on")

    assert outcome(message) == ("completed", None)


async def test_calls_that_run_are_closed_and_the_model_will_read_why() -> None:
    @tool
    async def wait() -> str:
        """Wait."""
        await asyncio.Event().wait()
        return ""

    talk = Talk(ScriptedModel(call("wait")), tools=[wait])
    task = asyncio.create_task(talk.say("hi"))
    await talk.until(ev.ToolResultStart)

    talk.interruption.expire()
    message = await asyncio.wait_for(task, 5)

    [result] = [block for block in message.content if isinstance(block, ToolResultBlock)]
    assert result.state == "interrupted"
    assert [each.text for each in result.output if isinstance(each, TextBlock)] == [
        "The time of the run was up before this call had ended."
    ]
    assert outcome(message) == ("error", "time_limit")
    check_message(message, ended=True)


async def test_a_stop_that_came_first_is_the_reason() -> None:
    assert outcome(await ended(hanging(), "now", None)) == ("interrupted", None)


async def test_time_that_was_up_first_is_the_reason() -> None:
    talk = hanging()

    message = await ended(talk, None, "discard")

    assert outcome(message) == ("error", "time_limit")
    assert not talk.reply.discarded
    assert message in talk.state.context


async def test_a_step_that_somebody_waits_for_has_no_more_time_than_the_run() -> None:
    assert outcome(await ended(hanging(), "step", None)) == ("interrupted", None)


async def test_a_discard_that_came_first_is_carried_out() -> None:
    talk = hanging()

    await ended(talk, "discard", None)

    assert talk.reply.discarded


async def test_a_parked_reply_whose_time_is_up_ends_with_its_questions_withdrawn() -> None:
    @tool
    async def touch() -> str:
        """Touch."""
        raise AssertionError("nobody allowed it")

    talk = Talk(ScriptedModel(call("touch")), tools=[touch], mode="default")
    await talk.say("go")
    talk.reload()
    talk.interruption.expire()

    message = await talk.go_on()

    assert outcome(message) == ("error", "time_limit")
    assert [each.status for each in talk.state.approvals] == ["withdrawn"]


def test_time_that_is_up_is_a_wish_until_the_reply_has_ended() -> None:
    interruption = Interruption()
    interruption.expire()
    was = interruption.requested, interruption.expired

    interruption.reset()

    assert was == (True, True)
    assert (interruption.requested, interruption.expired, interruption.discards) == (False, False, False)
