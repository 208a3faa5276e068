"""What an agent is told of the moment stands in its reply: told once, kept, and seen by clients."""

from typing import Any

import pytest

from agentsvc.agent.tool import tool
from agentsvc.domain import events as ev
from agentsvc.domain.agents import InjectionConfig
from agentsvc.domain.messages import HintBlock, Msg
from agentsvc.domain.states import AgentState, Task, TasksContext
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, Step, call, text


@tool(read_only=True)
async def look() -> str:
    """See what is there."""
    return "nothing"


def talk_of(*scripts: list[Step], config: InjectionConfig | None = None, **more: Any) -> Talk:
    return Talk(ScriptedModel(*scripts), tools=[look], injection_config=config or InjectionConfig(), **more)


def hints(message: Msg) -> list[str]:
    return [str(block.hint) for block in message.content if isinstance(block, HintBlock)]


def requests(talk: Talk) -> list[list[Msg]]:
    model = talk.agent.model
    assert isinstance(model, ScriptedModel)
    return [list(request.messages) for request in model.requests]


async def test_the_moment_is_told_before_the_first_answer_and_once() -> None:
    talk = talk_of(call("look"), text("Done"), text("Again"))

    message = await talk.say("hi")
    again = await talk.say("and now?")

    assert (len(hints(message)), hints(again)) == (1, [])
    assert "<current-time>2026-01-01T00:00:00" in hints(message)[0]
    assert isinstance(message.content[0], HintBlock)
    assert message.content[0].source == InjectionConfig().injection_source


async def test_it_is_an_event_that_folds_to_what_is_kept_and_what_the_model_sees() -> None:
    talk = talk_of(text("Hello"), text("Again"))

    message = await talk.say("hi")

    (event,) = talk.of(ev.HintBlockEvent)
    assert talk.kinds()[:3] == ["REPLY_START", "HINT_BLOCK", "MODEL_CALL_START"]
    assert message == talk.folded() == talk.state.context[-1]
    assert requests(talk)[0][-1].content == [message.content[0]]
    assert message.content[0].id == event.block_id
    talk.reload()
    await talk.say("again")
    assert hints(requests(talk)[1][2]) == hints(message)


async def test_it_is_told_again_when_the_last_word_is_old() -> None:
    talk = talk_of(text("Hello"), text("Again"), config=InjectionConfig(time_interval=1 / 3600 / 1_000_000))

    first = await talk.say("hi")
    second = await talk.say("again")

    assert (len(hints(first)), len(hints(second))) == (1, 1)


async def test_open_tasks_are_told_along_with_it_and_not_again() -> None:
    task = Task(id="1", subject="Find the keys", description="", created_at="")
    state = AgentState(session_id="s1", tasks_context=TasksContext(tasks=[task]))
    talk = talk_of(call("look"), text("Hello"), text("Again"), state=state)

    first = await talk.say("hi")
    second = await talk.say("again")

    assert "Find the keys" in hints(first)[0]
    assert (len(hints(first)), hints(second)) == (1, [])


async def test_a_conversation_that_is_nearly_full_is_told_once_in_a_reply() -> None:
    talk = talk_of(call("look"), text("Hello"))
    talk.agent.model.context_size = 1000

    message = await talk.say("x" * 2800)

    assert len(hints(message)) == 1
    assert "<context-length>" in hints(message)[0]


async def test_further_fields_are_told_but_are_no_reason() -> None:
    config = InjectionConfig(extra_fields={"mood": "good"})
    talk = talk_of(text("Hello"), text("Again"), config=config)

    first = await talk.say("hi")
    second = await talk.say("again")

    assert "<mood>good</mood>" in hints(first)[0]
    assert hints(second) == []


@pytest.mark.parametrize("record", [0, 1])
async def test_whoever_takes_over_tells_it_once_too(record: int) -> None:
    first = talk_of(call("look"), text("Hello"))
    await first.say("hi")
    second = talk_of(text("Hello"), state=first.journal.recorded[record])
    second.reload()

    message = await second.go_on()

    assert len(hints(message)) == 1
    assert message.finished_reason == "completed"
