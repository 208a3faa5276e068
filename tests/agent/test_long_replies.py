"""A conversation that becomes too long is shortened in the middle of a reply, and nothing of it is lost."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from agentsvc.agent.context import tokens
from agentsvc.agent.context.history import repair
from agentsvc.agent.context.summary import SUMMARY_SCHEMA, TOOL
from agentsvc.agent.model import Finish, ModelRequest
from agentsvc.agent.tool import tool
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import (
    Block,
    Msg,
    TextBlock,
    ToolResultBlock,
    Usage,
)
from agentsvc.domain.states import AgentState
from agentsvc.models.openai_requests import encode
from tests.agent.context.test_truncation import Shelf
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, Step, call, text

SIZE = 2000
CONFIG = ContextConfig(trigger_ratio=0.5, reserve_ratio=0.2)
PARTS = dict.fromkeys(SUMMARY_SCHEMA["required"], "nothing") | {"task_overview": "Read it all."}
SUMMARY: list[Step] = call(TOOL, json.dumps(PARTS))


@tool(read_only=True)
async def read(page: int) -> str:
    """Read a page."""
    return f"page {page}: " + "words " * 200


def page(number: int) -> list[Step]:
    return call("read", json.dumps({"page": number}))


class Summarising(ScriptedModel):
    """Answers what is asked for a summary from scripts of its own; the last again and again. Nothing is counted."""

    def __init__(self, *scripts: Sequence[Step], summaries: Sequence[Sequence[Step]] = (SUMMARY,)) -> None:
        super().__init__(*([*script, Finish("unknown")] for script in scripts))
        self.context_size = SIZE
        self.asked: list[ModelRequest] = []
        self._summaries = list(summaries)

    async def stream(self, request: ModelRequest) -> Any:
        if "Write the summary" in (request.messages[-1].text() or ""):
            self.asked.append(request)
            summary = self._summaries.pop(0) if len(self._summaries) > 1 else self._summaries[0]
            async for delta in ScriptedModel(summary).stream(request):
                yield delta
            return
        async for delta in super().stream(request):
            yield delta


def talk_of(model: Summarising, *, config: ContextConfig = CONFIG, **more: Any) -> Talk:
    return Talk(model, tools=[read], context_config=config, **more)


def legal(request: ModelRequest) -> bool:
    """A provider takes it: each call has its result, in order, and there is no other."""
    encode(request, "m", {}, ())
    return repair(request.messages[1:]) == list(request.messages[1:])


def told(talk: Talk, name: str) -> list[dict[str, Any]]:
    return [event.value for event in talk.of(ev.Custom) if event.name == name]


def pages(blocks: Sequence[Block]) -> list[int]:
    """The pages whose text is there, in order."""
    texts = [str(block.output) for block in blocks if isinstance(block, ToolResultBlock)]
    return [int(each.split("page ")[1].split(":")[0]) for each in texts if "page " in each]


def seen(request: ModelRequest) -> list[int]:
    return pages([block for message in request.messages for block in message.content])


READING = [*map(page, range(8)), text("Read.")]


async def test_under_the_trigger_nothing_is_shortened() -> None:
    model = Summarising(page(0), text("Read."))
    talk = talk_of(model)

    await talk.say("read")

    assert (model.asked, talk.of(ev.Custom), talk.state.summary) == ([], [], "")


async def test_the_middle_of_a_long_reply_is_shortened_and_the_reply_is_whole() -> None:
    model = Summarising(*READING)
    talk = talk_of(model)

    message = await talk.say("read")

    assert (message.text(), message.finished_reason) == ("Read.", "completed")
    assert pages(message.content) == list(range(8))
    assert message == talk.folded()
    assert len(told(talk, ev.COMPRESSED)) == len(model.asked) > 1
    assert all(value["tokens_left"] < value["tokens"] for value in told(talk, ev.COMPRESSED))
    assert {value["reply_id"] for value in told(talk, ev.COMPRESSED)} == {message.id}


async def test_the_model_sees_a_legal_end_of_it_behind_the_summary() -> None:
    model = Summarising(*READING)
    talk = talk_of(model)

    await talk.say("read")

    assert all(map(legal, [*model.requests, *model.asked]))
    shown = [seen(request) for request in model.requests]
    assert shown[:3] == [[], [0], [0, 1]]
    assert all(before[-1:] == after[-2:-1] or not after[:-1] for before, after in pairwise(shown[1:]))
    assert all(len(each) <= 3 for each in shown)
    behind = [request for request in model.requests if "Read it all." in str(request.messages[1])]
    assert len(behind) >= 4
    assert tokens.of_blocks(behind[-1].messages[-1].content) <= CONFIG.trigger_ratio * SIZE


async def test_the_next_turn_goes_on_from_the_summary() -> None:
    model = Summarising(*READING, text("Again."))
    talk = talk_of(model)
    message = await talk.say("read")
    talk.reload()
    rest = talk.state.context[-1]

    again = await talk.say("and again")

    assert rest.content == message.content[-len(rest.content) :]
    assert rest.id == message.id
    assert again.text() == "Again."
    assert legal(model.requests[-1])
    assert "Read it all." in str(model.requests[-1].messages[1])


async def test_a_worker_that_takes_over_in_the_middle_goes_on_from_the_summary() -> None:
    first = talk_of(Summarising(*READING))
    await first.say("read")
    state = next(each for each in first.journal.recorded if each.reply_context.summarised)
    model = Summarising(text("Read."))
    second = talk_of(model, state=state)
    second.reload()

    message = await second.go_on()

    assert message.text() == "Read."
    assert legal(model.requests[0])
    assert pages(message.content)[0] == 0
    assert 0 not in seen(model.requests[0])
    assert "Read it all." in str(model.requests[0].messages[1])


async def test_a_summary_is_recorded_before_the_model_goes_on() -> None:
    kept: list[bool] = []

    def look() -> None:
        kept.append(talk.journal.recorded[-1].summary == talk.state.summary)

    model = Summarising(*([look, *script] for script in READING))
    talk = talk_of(model)

    await talk.say("read")

    assert len(model.asked) > 1
    assert kept == [True] * len(READING)


@pytest.mark.parametrize(
    "fault", [ModelError("connection", "cut"), ModelError("permission", "no"), ValueError("a bug")]
)
async def test_a_summary_that_fails_loses_nothing_and_says_so(fault: Exception) -> None:
    model = Summarising(*map(page, range(3)), text("Read."), summaries=[[fault]])
    talk = talk_of(model)

    message = await talk.say("read")

    assert message.text() == "Read."
    assert (told(talk, ev.COMPRESSED), talk.state.summary) == ([], "")
    assert talk.state.context[-1] == message == talk.folded()
    assert all(value["reason"] and value["reply_id"] == message.id for value in told(talk, ev.COMPRESSION_FAILED))
    assert seen(model.requests[-1]) == [0, 1, 2]


async def test_a_summary_that_failed_is_tried_again_when_there_is_more() -> None:
    model = Summarising(*READING, summaries=[[ModelError("connection", "cut")], SUMMARY])
    talk = talk_of(model)

    await talk.say("read")

    assert len(told(talk, ev.COMPRESSION_FAILED)) == 1
    assert told(talk, ev.COMPRESSED)


async def test_what_is_too_long_for_any_request_is_told_from_its_end() -> None:
    model = Summarising(*READING, summaries=[[ModelError("connection", "cut")]])
    talk = talk_of(model)

    message = await talk.say("read")

    assert message.finished_reason == "completed"
    assert all(map(legal, model.requests))
    assert pages(talk.state.context[-1].content) == list(range(8))
    assert seen(model.requests[-1])[-1] == 7
    assert 0 not in seen(model.requests[-1])


async def test_what_is_left_out_is_kept_and_its_place_is_told_once() -> None:
    shelf = Shelf()
    model = Summarising(*READING)
    talk = talk_of(model, offload=shelf)

    message = await talk.say("read")

    stored = [json.loads(line) for data in shelf.kept.values() for line in data.splitlines()]
    blocks = {block["id"] for each in stored for block in each["content"]}
    left = {block.id for block in talk.state.context[-1].content}
    assert blocks | left >= {block.id for block in message.content}
    summary = str(talk.state.summary)
    assert [summary.count(f"/kept/{name}") for name in shelf.kept] == [1] * len(shelf.kept)
    assert talk.state.compression_context.stored == [f"/kept/{name}" for name in shelf.kept]


async def test_what_was_said_long_ago_is_shortened_before_the_reply() -> None:
    earlier = [message for number in range(6) for message in (Msg.user(f"{number} " + "x" * 1000), answer(number))]
    model = Summarising(text("Hello"))
    talk = talk_of(model, state=AgentState(session_id="s1", context=earlier))

    message = await talk.say("hi")

    assert talk.kinds()[:3] == ["REPLY_START", "CUSTOM", "MODEL_CALL_START"]
    assert [each.text() for each in talk.state.context[-2:]] == ["hi", "Hello"]
    assert talk.state.context[-1] == message
    assert len(talk.state.context) < len(earlier)
    assert talk.state.context[:-2] == earlier[len(earlier) - len(talk.state.context) + 2 :]


def answer(number: int) -> Msg:
    return Msg(name="bob", role="assistant", content=[TextBlock(text=f"yes {number}")])


async def test_calls_that_wait_are_never_in_the_summary() -> None:
    @tool
    async def touch() -> str:
        """Make a file."""
        return "made"

    model = Summarising(page(0), page(1), call("touch"), text("Done"))
    talk = Talk(model, tools=[read, touch], context_config=CONFIG, mode="default")
    await talk.say("read, then touch")
    talk.reload()

    message = await talk.confirm(*talk.asked())

    assert message.text() == "Done"
    assert all(map(legal, model.requests))
    assert "made" in str(model.requests[-1].messages)


async def test_a_round_weighs_what_is_new_when_the_provider_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    weighed: list[Block] = []
    of_block = tokens.of_block

    def weigh(block: Block) -> int:
        weighed.append(block)
        return of_block(block)

    monkeypatch.setattr(tokens, "of_block", weigh)
    earlier = [message for number in range(300) for message in (Msg.user("hi"), answer(number))]
    usage = Usage(input_tokens=5000, output_tokens=10)
    rounds = [[*page(number), Finish("tool_calls", usage)] for number in range(20)]
    model = ScriptedModel(*rounds, text("Read."))
    talk = Talk(model, tools=[read], state=AgentState(session_id="s1", context=earlier))

    await talk.say("read")

    first = 2 * (len(earlier) + 1)
    assert len(weighed) <= first + 20 * 20
