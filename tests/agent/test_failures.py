"""Whatever fails, a reply has an end that says why, keeps what was said, leaves no call open, and is not the last."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from agentsvc.agent.agent import AgentMiddleware, Handler
from agentsvc.agent.model import Finish, TextDelta, ToolCallDelta
from agentsvc.agent.permissions import Decision
from agentsvc.agent.tool import ToolBase, ToolChunk, tool
from agentsvc.domain import events as ev
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import ErrorType, Msg, TextBlock, ToolCallBlock, ToolResultBlock
from agentsvc.domain.states import AgentState
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, Step, call, text

KINDS: list[ErrorType] = ["authentication", "permission", "rate_limit", "invalid_request", "upstream", "connection"]


@tool(always_allowed=True)
async def echo(x: str) -> str:
    """Say it again."""
    return f"got {x}"


def results(message: Msg) -> dict[str, str]:
    """The states of the results by the names of their tools."""
    return {block.name: block.state for block in message.content if isinstance(block, ToolResultBlock)}


def said(message: Msg) -> str:
    blocks = [block for block in message.content if isinstance(block, ToolResultBlock)]
    return "\n".join(item.text for each in blocks for item in each.output if isinstance(item, TextBlock))


async def goes_on(talk: Talk) -> None:
    """Nothing is open, the events say what the agent remembers, and the next turn works."""
    message = talk.state.context[-1]
    calls = [block for block in message.content if isinstance(block, ToolCallBlock)]
    assert message == talk.folded()
    assert all(block.finished_at for block in message.content)
    assert [each.state for each in calls] == ["finished"] * len(calls)
    assert len([block for block in message.content if isinstance(block, ToolResultBlock)]) == len(calls)
    for kind in ("MODEL_CALL", "TEXT_BLOCK", "TOOL_CALL", "TOOL_RESULT", "REPLY"):
        assert talk.kinds().count(f"{kind}_START") == talk.kinds().count(f"{kind}_END")
    talk.reload()
    assert (await talk.say("again")).finished_reason == "completed"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_model_that_fails_before_it_answers(kind: ErrorType) -> None:
    talk = Talk(ScriptedModel([ModelError(kind, "key sk-123 is wrong")], text("Hello")))

    message = await talk.say("hi")

    assert (message.finished_reason, message.content) == ("error", [])
    assert message.error is not None
    assert message.error.type == kind
    assert "sk-123" not in message.error.message
    assert talk.of(ev.ReplyEnd)[0].error == message.error
    await goes_on(talk)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_model_that_fails_in_the_middle_keeps_what_it_said(kind: ErrorType) -> None:
    steps: list[Step] = [TextDelta("Hel"), ToolCallDelta(0, '{"x', name="echo"), ModelError(kind, "cut")]
    talk = Talk(ScriptedModel(steps, text("Hello")), tools=[echo])

    message = await talk.say("hi")

    assert message.error is not None
    assert (message.text(), message.error.type, results(message)) == ("Hel", kind, {"echo": "interrupted"})
    await goes_on(talk)


async def test_an_empty_answer_is_the_providers_fault() -> None:
    class Empty(ScriptedModel):
        async def stream(self, request: Any) -> AsyncIterator[Any]:  # type: ignore[override] # less than the base gives
            nothing: list[object] = []
            for delta in nothing:
                yield delta

    talk = Talk(Empty())
    message = await talk.say("hi")

    assert message.error is not None
    assert message.error.type == "upstream"


async def test_a_tool_that_crashes_is_an_error_that_the_model_reads() -> None:
    @tool
    async def crash() -> AsyncIterator[str]:
        """Say something and crash."""
        yield "so far"
        raise ZeroDivisionError("by nothing")

    talk = Talk(ScriptedModel([*call("crash"), *call("echo", '{"x":"a"}', 1)], text("Done")), tools=[crash, echo])

    message = await talk.say("go")

    assert (message.finished_reason, results(message)) == ("completed", {"crash": "error", "echo": "success"})
    assert "so far" in said(message)
    assert "by nothing" in said(message)


async def test_a_tool_whose_schema_is_invalid_is_an_error_that_the_model_reads() -> None:
    class Odd(ToolBase):
        """Its schema means nothing."""

        name = "odd"
        description = "Odd."
        input_schema = {"type": "object", "properties": {"x": {"type": "nonsense"}}}  # noqa: RUF012
        is_concurrency_safe = True

        async def call(self, **arguments: Any) -> ToolChunk:
            raise AssertionError("it cannot be called")

    talk = Talk(ScriptedModel(call("odd"), text("Done"), text("Hello")), tools=[Odd()])

    message = await talk.say("go")

    assert (message.finished_reason, results(message)) == ("completed", {"odd": "error"})
    assert "its input schema is not valid" in said(message)
    await goes_on(talk)


class Crashing(AgentMiddleware):
    """Crashes at one hook, once."""

    def __init__(self, hook: str) -> None:
        self._hook = hook

    def _crash(self, hook: str) -> None:
        if hook == self._hook:
            self._hook = ""
            raise KeyError("a secret of the middleware")

    async def on_reply(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[Any]:
        async for event in next_handler():
            yield event
            if isinstance(event, ev.TextBlockDelta):
                self._crash("on_reply")

    async def on_reasoning(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[Any]:
        async for event in next_handler():
            yield event
            if isinstance(event, ev.ToolCallStart):
                self._crash("on_reasoning")

    async def on_model_call(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> Any:
        self._crash("on_model_call")
        return await next_handler()

    async def on_check_permission(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> Decision:
        self._crash("on_check_permission")
        decision: Decision = await next_handler()
        return decision

    async def on_acting(
        self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
    ) -> AsyncIterator[ToolChunk]:
        async for chunk in next_handler():
            yield chunk
            self._crash("on_acting")

    async def on_system_prompt(self, agent: Any, current_prompt: str) -> str:
        self._crash("on_system_prompt")
        return current_prompt


@pytest.mark.parametrize(
    ("hook", "reason", "state"),
    [
        ("on_reply", "error", None),
        ("on_reasoning", "error", "interrupted"),
        ("on_model_call", "error", None),
        ("on_system_prompt", "error", None),
        ("on_check_permission", "completed", "error"),
        ("on_acting", "completed", "error"),
    ],
)
async def test_a_middleware_that_crashes(hook: str, reason: str, state: str | None) -> None:
    steps: list[Step] = [*text("Hel"), *call("echo", '{"x":"a"}')]
    talk = Talk(ScriptedModel(steps, *[text("Done")] * 2), tools=[echo], middlewares=[Crashing(hook)])

    message = await talk.say("go")

    assert message.finished_reason == reason
    assert results(message) == ({} if state is None else {"echo": state})
    if message.error is not None:
        assert message.error.type == "internal"
        assert "secret" not in message.error.message
    await goes_on(talk)


async def test_a_middleware_that_crashes_at_the_compression_loses_no_history() -> None:
    class NoSummary(AgentMiddleware):
        async def on_compress_context(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AgentState:
            raise KeyError("a secret of the middleware")

    model = ScriptedModel(text("Hello"))
    model.context_size = 1000
    answer = Msg(name="bob", role="assistant", content=[TextBlock(text="yes")])
    state = AgentState(session_id="s1", context=[Msg.user("x" * 3600), answer])
    talk = Talk(model, state=state, middlewares=[NoSummary()])

    message = await talk.say("go")

    assert message.error is not None
    assert message.error.type == "internal"
    assert [each.text() for each in talk.state.context] == ["x" * 3600, "yes", "go", None]
    assert model.requests == []


async def test_an_answer_cut_by_length_says_so_to_the_model_which_may_try_again() -> None:
    ran: list[str] = []

    @tool
    async def write(content: str) -> str:
        """Write a file."""
        ran.append(content)
        return "written"

    cut: list[Step] = [ToolCallDelta(0, '{"content":"whole"}', name="write"), Finish("length")]
    talk = Talk(ScriptedModel(cut, call("write", '{"content":"short"}'), text("Done")), tools=[write])

    message = await talk.say("go")

    assert ran == ["short"]
    assert [block.state for block in message.content if isinstance(block, ToolResultBlock)] == ["error", "success"]
    assert "too long" in said(message)
    assert message == talk.folded()


async def test_the_fallback_is_asked_only_before_anything_was_said() -> None:
    cut: list[Step] = [TextDelta("Hel"), ModelError("connection", "cut")]
    fallback = ScriptedModel(text("Hello"), name="second")
    talk = Talk(ScriptedModel(cut, name="first"), fallback=fallback)

    message = await talk.say("hi")

    assert (message.finished_reason, message.text(), fallback.requests) == ("error", "Hel", [])
    assert [event.model_name for event in talk.of(ev.ModelCallStart)] == ["first"]


async def test_when_the_fallback_fails_too_its_error_is_told() -> None:
    primary = ScriptedModel([ModelError("upstream", "down")], name="first")
    fallback = ScriptedModel([ModelError("rate_limit", "slow down")], name="second")
    talk = Talk(primary, fallback=fallback)

    message = await talk.say("hi")

    assert message.error is not None
    assert message.error.type == "rate_limit"
    assert talk.of(ev.ModelCallStart) == []


async def test_two_calls_with_the_same_id_in_two_rounds_both_run_and_stand_apart() -> None:
    model = ScriptedModel(call("echo", '{"x":"a"}'), call("echo", '{"x":"b"}'), text("Done"))
    talk = Talk(model, tools=[echo])

    message = await talk.say("go")

    ids = [block.id for block in message.content if isinstance(block, ToolResultBlock)]
    assert (said(message), len(set(ids))) == ("got a\ngot b", 2)


async def test_a_tool_that_will_not_end_is_left_behind_when_it_is_stopped() -> None:
    freed = asyncio.Event()

    @tool
    async def stubborn() -> str:
        """Ignore that it is cancelled."""
        while not freed.is_set():
            try:
                await freed.wait()
            except asyncio.CancelledError:
                continue
        return "at last"

    talk = Talk(ScriptedModel(call("stubborn"), text("Hello")), tools=[stubborn])
    task = asyncio.create_task(talk.say("go"))
    await talk.until(ev.ToolResultStart)
    await asyncio.sleep(0)

    talk.interruption.request()
    message = await asyncio.wait_for(task, 5)

    freed.set()
    assert (message.finished_reason, results(message)) == ("interrupted", {"stubborn": "interrupted"})
    talk.interruption.reset()
    await goes_on(talk)
