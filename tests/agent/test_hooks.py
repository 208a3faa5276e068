"""All seven hooks: in what order they run, what they change for each other, and that they know no other reply."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from msgspec.structs import replace

from agentsvc.agent.agent import AgentMiddleware, Handler
from agentsvc.agent.model import ToolChoice
from agentsvc.agent.permissions import Decision
from agentsvc.agent.tool import ToolChunk, tool
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.messages import Msg, TextBlock
from agentsvc.domain.permissions import PermissionContext, Reason
from agentsvc.domain.states import AgentState
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, Step, call, text

WHOLE: dict[str, set[str]] = {
    "on_reply": {"inputs", "answer"},
    "on_reasoning": {"tool_choice"},
    "on_model_call": {"current_model", "messages", "tools", "tool_choice", "cache_breakpoints"},
    "on_check_permission": {"tool_call", "tool", "tool_input"},
    "on_acting": {"tool_call"},
    "on_compress_context": {"context_config"},
}


@tool
async def echo(x: str) -> str:
    """Say it again."""
    return f"got {x}"


class Every(AgentMiddleware):
    """Writes down what every hook is given, before and after."""

    def __init__(self, name: str, trace: list[str], given: dict[str, dict[str, Any]] | None = None) -> None:
        self.name = name
        self.trace = trace
        self.given: dict[str, dict[str, Any]] = {} if given is None else given

    async def _stream(self, hook: str, kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[Any]:
        self._enter(hook, kwargs)
        async for each in next_handler():
            yield each
        self.trace.append(f"{hook} {self.name} ends")

    async def _call(self, hook: str, kwargs: dict[str, Any], next_handler: Handler) -> Any:
        self._enter(hook, kwargs)
        answer = await next_handler()
        self.trace.append(f"{hook} {self.name} ends")
        return answer

    def _enter(self, hook: str, kwargs: dict[str, Any]) -> None:
        self.trace.append(f"{hook} {self.name}")
        self.given.setdefault(hook, kwargs)

    def on_reply(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[ev.Event]:
        return self._stream("on_reply", input_kwargs, next_handler)

    def on_reasoning(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[ev.Event]:
        return self._stream("on_reasoning", input_kwargs, next_handler)

    def on_acting(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[ToolChunk]:
        return self._stream("on_acting", input_kwargs, next_handler)

    async def on_model_call(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> Any:
        return await self._call("on_model_call", input_kwargs, next_handler)

    async def on_check_permission(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> Decision:
        decision: Decision = await self._call("on_check_permission", input_kwargs, next_handler)
        return decision

    async def on_compress_context(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AgentState:
        state: AgentState = await self._call("on_compress_context", input_kwargs, next_handler)
        return state

    async def on_system_prompt(self, agent: Any, current_prompt: str) -> str:
        self.trace.append(f"on_system_prompt {self.name}")
        return f"{current_prompt} {self.name}"


def long_talk(*scripts: list[Step], middlewares: list[AgentMiddleware]) -> Talk:
    """A conversation that is shortened before the first answer."""
    model = ScriptedModel(*scripts)
    model.context_size = 1500
    state = AgentState(
        session_id="s1",
        context=[Msg.user("x" * 4000), Msg(name="bob", role="assistant", content=[TextBlock(text="I see")])],
        permission_context=PermissionContext(mode="bypass"),
    )
    return Talk(
        model, tools=[echo], state=state, middlewares=middlewares, context_config=ContextConfig(trigger_ratio=0.6)
    )


SUMMARY = [text("nothing")] * 3
"""Plain text is taken only when it is asked for, after the tool was forced and offered."""


async def test_the_first_is_the_outermost_at_every_hook() -> None:
    trace: list[str] = []
    middlewares: list[AgentMiddleware] = [Every("A", trace), Every("B", trace)]
    talk = long_talk(*SUMMARY, call("echo", '{"x":"a"}'), text("Done"), middlewares=middlewares)

    message = await talk.say("go")

    assert message.text() == "Done"
    for hook in WHOLE:
        names = [each.split(" ", 1)[1] for each in trace if each.startswith(hook)]
        ends = [name for name in names if name.endswith("ends")]
        assert names[:2] == ["A", "B"], hook
        assert ends[:2] == ["B ends", "A ends"], hook
        assert len(ends) * 2 == len(names), hook
    prompts = [each for each in trace if each.startswith("on_system_prompt")]
    assert prompts[:2] == ["on_system_prompt A", "on_system_prompt B"]
    model = talk.agent.model
    assert isinstance(model, ScriptedModel)
    assert model.requests[-1].messages[0].text() == "Be brief. A B"


async def test_every_hook_is_given_what_it_is_promised() -> None:
    given: dict[str, dict[str, Any]] = {}
    talk = long_talk(*SUMMARY, call("echo", '{"x":"a"}'), text("Done"), middlewares=[Every("A", [], given)])

    await talk.say("go")

    assert {hook: set(kwargs) for hook, kwargs in given.items()} == WHOLE
    assert given["on_check_permission"]["tool_input"] == {"x": "a"}
    assert [each.text() for each in given["on_reply"]["inputs"]] == ["go"]


class Changing(AgentMiddleware):
    """Changes one argument at each hook and leaves the others."""

    async def on_reply(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[Any]:
        async for event in next_handler(inputs=[*input_kwargs["inputs"], Msg.user("and be quick")]):
            yield event

    async def on_reasoning(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[Any]:
        async for event in next_handler(tool_choice=ToolChoice("required")):
            yield event

    async def on_model_call(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> Any:
        return await next_handler(tools=())

    async def on_check_permission(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> Decision:
        decision: Decision = await next_handler(tool_input={"x": "changed"})
        return decision

    async def on_acting(
        self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
    ) -> AsyncIterator[ToolChunk]:
        async for chunk in next_handler(tool_call=replace(input_kwargs["tool_call"], input='{"x":"changed"}')):
            yield replace(chunk, metadata={"by": "A"})

    async def on_compress_context(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AgentState:
        config = replace(input_kwargs["context_config"], compression_prompt="In one word.")
        state: AgentState = await next_handler(context_config=config)
        return replace(state, summary=f"{state.summary} Indeed.")


async def test_a_change_reaches_what_is_inside_and_the_rest_stays() -> None:
    given: dict[str, dict[str, Any]] = {}
    talk = long_talk(
        *SUMMARY,
        call("echo", '{"x":"a"}'),
        text("Done"),
        middlewares=[Changing(), Every("B", [], given)],
    )

    message = await talk.say("go")

    assert [each.text() for each in given["on_reply"]["inputs"]] == ["go", "and be quick"]
    assert (given["on_reasoning"]["tool_choice"], given["on_reply"]["answer"]) == (ToolChoice("required"), None)
    assert given["on_model_call"]["tools"] == ()
    assert given["on_model_call"]["current_model"] is talk.agent.model
    assert given["on_check_permission"]["tool_input"] == {"x": "changed"}
    assert given["on_check_permission"]["tool_call"].input == '{"x":"a"}'
    assert given["on_acting"]["tool_call"].input == '{"x":"changed"}'
    assert given["on_compress_context"]["context_config"].compression_prompt == "In one word."
    assert given["on_compress_context"]["context_config"].trigger_ratio == 0.6
    assert str(talk.state.summary).endswith("Indeed.")
    assert talk.of(ev.ToolResultEnd)[0].metadata == {"by": "A"}
    assert "got changed" in str(message.content)


async def test_a_change_of_the_input_that_is_checked_does_not_change_the_call() -> None:
    class Vandal(AgentMiddleware):
        async def on_check_permission(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> Decision:
            input_kwargs["tool_input"]["x"] = "vandalised"
            decision: Decision = await next_handler()
            return decision

    talk = Talk(ScriptedModel(call("echo", '{"x":"a"}'), text("Done")), tools=[echo], middlewares=[Vandal()])

    message = await talk.say("go")

    assert "got a" in str(message.content)


async def test_a_call_that_a_person_allowed_is_judged_again_by_the_hook() -> None:
    class Strict(AgentMiddleware):
        async def on_check_permission(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> Decision:
            decision: Decision = await next_handler()
            if input_kwargs["tool_call"].state == "allowed":
                return replace(decision, behavior="deny", reason=Reason(code="curfew", message="It is late."))
            return decision

    talk = Talk(
        ScriptedModel(call("echo", '{"x":"a"}'), text("Done")), tools=[echo], middlewares=[Strict()], mode="default"
    )
    await talk.say("go")

    message = await talk.confirm(*talk.asked())

    assert [event.state for event in talk.of(ev.ToolResultEnd)] == ["denied"]
    assert "It is late." in str(message.content)


async def test_two_replies_at_once_know_nothing_of_each_other() -> None:
    trace: list[str] = []
    both = asyncio.Barrier(2)

    class Meeting(AgentMiddleware):
        """Holds the first end of each reply back, when both are there."""

        async def on_reply(
            self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler
        ) -> AsyncIterator[ev.Event]:
            kept = False
            async for event in next_handler():
                if isinstance(event, ev.ReplyEnd) and not kept:
                    kept = True
                    await both.wait()
                    continue
                yield event

    shared: list[AgentMiddleware] = [Meeting(), Every("A", trace)]
    talks = [
        Talk(ScriptedModel(text(f"{name} one"), text(f"{name} two")), middlewares=shared) for name in ("left", "right")
    ]

    messages = await asyncio.gather(*(talk.say(f"go {number}") for number, talk in enumerate(talks)))

    assert [message.text() for message in messages] == ["left one\nleft two", "right one\nright two"]
    for number, (talk, message) in enumerate(zip(talks, messages, strict=True)):
        assert message == talk.folded() == talk.state.context[-1]
        assert {getattr(event, "reply_id", message.id) for event in talk.events} == {message.id}
        assert [len(talk.of(kind)) for kind in (ev.ReplyStart, ev.ReplyEnd)] == [1, 1]
        assert talk.state.context[0].text() == f"go {number}"
    assert messages[0].id != messages[1].id


async def test_two_replies_at_once_of_one_middleware_run_their_tools_apart() -> None:
    both = asyncio.Barrier(2)

    @tool
    async def meet(x: str) -> str:
        """Wait for the other."""
        await both.wait()
        return x

    shared: list[AgentMiddleware] = [Every("A", [])]
    talks = [
        Talk(ScriptedModel(call("meet", f'{{"x":"{name}"}}'), text(name)), tools=[meet], middlewares=shared)
        for name in ("left", "right")
    ]

    messages = await asyncio.gather(*(talk.say("go") for talk in talks))

    for name, message in zip(("left", "right"), messages, strict=True):
        assert [block.text for block in message.content if isinstance(block, TextBlock)] == [name]
        assert message.text() == name
