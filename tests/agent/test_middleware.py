"""Hooks wrap what an agent does: the first is the outermost, and each sees what the others changed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from agentsvc.agent.agent import AgentMiddleware, Handler
from agentsvc.agent.model import ModelDelta, TextDelta, ToolChoice
from agentsvc.agent.tool import ToolBase, ToolChunk, tool
from agentsvc.domain import events as ev
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, call, text


@tool
async def echo(x: str) -> str:
    """Say it again."""
    return f"got {x}"


class Traced(AgentMiddleware):
    """Writes down when each hook begins and ends."""

    def __init__(self, name: str, trace: list[str]) -> None:
        self.name = name
        self.trace = trace

    async def on_reply(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[Any]:
        async for each in self._around("reply", next_handler()):
            yield each

    async def on_reasoning(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[Any]:
        async for each in self._around("reasoning", next_handler()):
            yield each

    async def on_acting(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[Any]:
        async for each in self._around("acting", next_handler()):
            yield each

    async def on_model_call(
        self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
    ) -> AsyncIterator[ModelDelta]:
        self.trace.append(f"{self.name} model")
        answer: AsyncIterator[ModelDelta] = await next_handler()
        return answer

    async def on_system_prompt(self, agent: Any, current_prompt: str) -> str:
        return f"{current_prompt} {self.name}"

    async def _around(self, what: str, inner: AsyncIterator[Any]) -> AsyncIterator[Any]:
        self.trace.append(f"{self.name} {what}")
        async for each in inner:
            yield each
        self.trace.append(f"{self.name} {what} ends")


async def test_the_first_is_the_outermost_at_every_hook() -> None:
    trace: list[str] = []
    model = ScriptedModel(call("echo", '{"x":"a"}'), text("Done"))
    talk = Talk(model, tools=[echo], middlewares=[Traced("A", trace), Traced("B", trace)])

    await talk.say("hi")

    one_round = ["A reasoning", "B reasoning", "A model", "B model", "B reasoning ends", "A reasoning ends"]
    acting = ["A acting", "B acting", "B acting ends", "A acting ends"]
    assert trace == ["A reply", "B reply", *one_round, *acting, *one_round, "B reply ends", "A reply ends"]
    assert model.requests[0].messages[0].text() == "Be brief. A B"


async def test_a_change_of_the_arguments_reaches_what_is_inside() -> None:
    class Louder(AgentMiddleware):
        async def on_acting(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ToolChunk]:
            changed = replace(input_kwargs["tool_call"], input='{"x":"LOUD"}')
            async for chunk in next_handler(tool_call=changed):
                yield chunk

        async def on_reasoning(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ev.Event]:
            async for event in next_handler(tool_choice=ToolChoice("required")):
                yield event

    model = ScriptedModel(call("echo", '{"x":"a"}'), text("Done"))
    talk = Talk(model, tools=[echo], middlewares=[Louder()])

    await talk.say("hi")

    assert talk.of(ev.ToolResultTextDelta)[0].delta == "got LOUD"
    assert model.requests[0].tool_choice == ToolChoice("required")


async def test_a_model_call_can_be_answered_without_the_model() -> None:
    class Cached(AgentMiddleware):
        async def on_model_call(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ModelDelta]:
            return ScriptedModel([TextDelta("cached")]).stream(input_kwargs["messages"])

    model = ScriptedModel()
    message = await Talk(model, middlewares=[Cached()]).say("hi")

    assert message.text() == "cached"
    assert model.requests == []


async def test_an_end_that_is_kept_back_asks_for_another_round() -> None:
    class Again(AgentMiddleware):
        async def on_reply(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ev.Event]:
            kept = False
            async for event in next_handler():
                if isinstance(event, ev.ReplyEnd) and not kept:
                    kept = True
                    continue
                yield event

    model = ScriptedModel(text("one"), text("two"))
    talk = Talk(model, middlewares=[Again()])

    message = await talk.say("hi")

    assert message.text() == "one\ntwo"
    assert len(talk.of(ev.ReplyEnd)) == 1
    assert message == talk.folded()


async def test_ends_kept_back_without_progress_are_a_fault() -> None:
    class Never(AgentMiddleware):
        async def on_reply(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ev.Event]:
            async for event in next_handler():
                if not isinstance(event, ev.ReplyEnd):
                    yield event

    talk = Talk(ScriptedModel(), middlewares=[Never()], max_iters=0)

    message = await talk.say("hi")

    assert message.finished_reason == "error"
    assert len(talk.of(ev.ReplyEnd)) == 1


@pytest.mark.parametrize(
    "last",
    [None, ev.ReplyStart, ev.TextBlockStart, ev.TextBlockDelta, ev.ToolCallStart, ev.ToolResultStart, ev.ReplyEnd],
)
async def test_a_reply_whose_middleware_breaks_off_is_closed(last: type[ev.Event] | None) -> None:
    class BreaksOff(AgentMiddleware):
        async def on_reply(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ev.Event]:
            if last is None:
                raise RuntimeError("broke off")
            async for event in next_handler():
                yield event
                if isinstance(event, last):
                    raise RuntimeError("broke off")

    model = ScriptedModel([*text("Hel", "lo"), *call("echo", '{"x":"a"}')], text("Done"))
    talk = Talk(model, tools=[echo], middlewares=[BreaksOff()])

    message = await talk.say("hi")

    assert message == talk.folded() == talk.state.context[-1]
    assert message.finished_reason == ("completed" if last is ev.ReplyEnd else "error")
    assert talk.kinds().count("REPLY_START") == talk.kinds().count("REPLY_END") == 1
    for kind in ("MODEL_CALL", "TEXT_BLOCK", "TOOL_CALL", "TOOL_RESULT"):
        assert talk.kinds().count(f"{kind}_START") == talk.kinds().count(f"{kind}_END")
    assert talk.journal.recorded[-1].reply_context.reply_id == ""
    assert talk.state.context[0].text() == "hi"


async def test_a_crash_in_a_middleware_ends_the_reply_or_the_call() -> None:
    class Broken(AgentMiddleware):
        async def on_acting(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ToolChunk]:
            if input_kwargs:
                raise RuntimeError("acting broke")
            yield ToolChunk()

        async def on_system_prompt(self, agent: Any, current_prompt: str) -> str:
            if rounds:
                raise RuntimeError("prompt broke")
            rounds.append(1)
            return current_prompt

    rounds: list[int] = []
    talk = Talk(ScriptedModel(call("echo", '{"x":"a"}')), tools=[echo], middlewares=[Broken()])

    message = await talk.say("hi")

    assert [event.state for event in talk.of(ev.ToolResultEnd)] == ["error"]
    assert message.error is not None
    assert message.error.type == "internal"
    assert "broke" not in message.error.message


async def test_what_it_brings_can_be_listed() -> None:
    class Bringing(AgentMiddleware):
        async def list_tools(self) -> Sequence[ToolBase]:
            return [echo]

    assert [each.name for each in await Bringing().list_tools()] == ["echo"]
    assert await AgentMiddleware().list_tools() == ()


async def test_a_cancellation_that_nobody_asked_for_is_a_failure_of_the_call() -> None:
    class Stray(AgentMiddleware):
        async def on_acting(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ToolChunk]:
            if input_kwargs:
                raise asyncio.CancelledError
            yield ToolChunk()

    talk = Talk(ScriptedModel(call("echo", '{"x":"a"}'), text("Done")), tools=[echo], middlewares=[Stray()])

    message = await talk.say("hi")

    assert [event.state for event in talk.of(ev.ToolResultEnd)] == ["error"]
    assert message.finished_reason == "completed"


async def test_a_middleware_that_gives_up_ends_the_reply_and_keeps_the_message() -> None:
    class GivesUp(AgentMiddleware):
        async def on_reply(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ev.Event]:
            async for event in next_handler():
                yield event
                return

    talk = Talk(ScriptedModel(), middlewares=[GivesUp()])

    message = await talk.say("hi")

    assert talk.kinds() == ["REPLY_START", "REPLY_END"]
    assert message.finished_reason == "error"
    assert [each.text() for each in talk.state.context] == ["hi", None]
