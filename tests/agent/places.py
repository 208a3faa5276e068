"""Places where a reply is held up until it is stopped."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from agentsvc.agent.agent import AgentMiddleware, Handler
from agentsvc.agent.context.summary import SUMMARY_SCHEMA
from agentsvc.agent.model import TextDelta, ToolCallDelta
from agentsvc.agent.permissions import Decision
from agentsvc.agent.tool import ToolBase, tool
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.messages import Msg, TextBlock
from agentsvc.domain.states import AgentState
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, Step, call, text, thinking


class Place:
    """Where a reply is held up until it is stopped."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.left = False

    async def wait(self) -> None:
        self.reached.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left = True


class Held(ScriptedModel):
    """Waits at the place after the first script, or instead of it."""

    def __init__(self, place: Place, *scripts: list[Step], begun: list[Step] | None = None) -> None:
        super().__init__(*scripts)
        self._place = place
        self._begun = begun

    async def stream(self, request: Any) -> Any:
        if self._begun is not None and not self._place.reached.is_set():
            self.requests.append(request)
            for step in self._begun:
                yield step
            await self._place.wait()
        async for delta in super().stream(request):
            yield delta


class HeldJudge(AgentMiddleware):
    def __init__(self, place: Place) -> None:
        self._place = place

    async def on_check_permission(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> Decision:
        await self._place.wait()
        decision: Decision = await next_handler()
        return decision


def tools(place: Place) -> list[ToolBase]:
    @tool
    async def hang() -> AsyncIterator[str]:
        """Say something and hang."""
        yield "so far"
        await place.wait()

    @tool(concurrent=False)
    async def alone() -> str:
        """Hang alone."""
        await place.wait()
        return ""

    @tool(always_allowed=True)
    async def quick() -> str:
        """Be done at once."""
        return "done"

    return [hang, alone, quick]


def handshake(place: Place) -> Talk:
    return Talk(Held(place, text("Hello"), begun=[]))


def streaming(place: Place) -> Talk:
    begun: list[Step] = [*thinking("hm"), TextDelta("Hel"), ToolCallDelta(0, '{"a', name="quick")]
    return Talk(Held(place, text("Hello"), begun=begun), tools=tools(place))


def sequential(place: Place) -> Talk:
    two = [*call("alone"), *call("quick", index=1)]
    return Talk(ScriptedModel(two, text("Hello")), tools=tools(place))


def concurrent(place: Place) -> Talk:
    three = [*call("quick"), *call("hang", index=1), *call("quick", index=2)]
    return Talk(ScriptedModel(three, text("Hello")), tools=tools(place))


def compression(place: Place) -> Talk:
    answer = Msg(name="bob", role="assistant", content=[TextBlock(text="yes")])
    state = AgentState(session_id="s1", context=[Msg.user("x" * 4000), answer])
    summary = json.dumps(dict.fromkeys(SUMMARY_SCHEMA["required"], "nothing"))
    model = Held(place, call("write_summary", summary), text("Hello"), begun=[])
    model.context_size = 1100
    return Talk(model, state=state, context_config=ContextConfig(trigger_ratio=0.5))


def judgement(place: Place) -> Talk:
    two = [*call("quick"), *call("hang", index=1)]
    return Talk(ScriptedModel(two, text("Hello")), tools=tools(place), middlewares=[HeldJudge(place)])


class Listing:
    """Tools of a server that does not answer the first time."""

    version = 1
    trusted = True

    def __init__(self, place: Place) -> None:
        self._place = place

    async def tools(self) -> list[ToolBase]:
        if not self._place.reached.is_set():
            await self._place.wait()
        return []


def listing(place: Place) -> Talk:
    return Talk(ScriptedModel(text("Hello")), tools=[Listing(place)])


class HeldAround(AgentMiddleware):
    """Waits in a hook of its own, once: before what is inside, or after its first event."""

    def __init__(self, place: Place, *, before: bool) -> None:
        self._place = place
        self._before = before

    async def around(self, next_handler: Handler) -> AsyncIterator[ev.Event]:
        if self._before and not self._place.reached.is_set():
            await self._place.wait()
        async for event in next_handler():
            yield event
            if not self._place.reached.is_set():
                await self._place.wait()


class HeldReasoning(HeldAround):
    def on_reasoning(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[ev.Event]:
        return self.around(next_handler)


class HeldReply(HeldAround):
    def on_reply(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AsyncIterator[ev.Event]:
        return self.around(next_handler)


class HeldCompression(AgentMiddleware):
    def __init__(self, place: Place) -> None:
        self._place = place

    async def on_compress_context(self, agent: Any, input_kwargs: dict[str, Any], next_handler: Handler) -> AgentState:
        if not self._place.reached.is_set():
            await self._place.wait()
        state: AgentState = await next_handler()
        return state


def before_reasoning(place: Place) -> Talk:
    return Talk(ScriptedModel(text("Hello")), middlewares=[HeldReasoning(place, before=True)])


def in_reasoning(place: Place) -> Talk:
    return Talk(ScriptedModel(text("Hel"), text("Hello")), middlewares=[HeldReasoning(place, before=False)])


def before_reply(place: Place) -> Talk:
    return Talk(ScriptedModel(text("Hello")), middlewares=[HeldReply(place, before=True)])


def in_reply(place: Place) -> Talk:
    return Talk(ScriptedModel(text("Hello")), middlewares=[HeldReply(place, before=False)])


def around_compression(place: Place) -> Talk:
    talk = compression(place)
    summary = json.dumps(dict.fromkeys(SUMMARY_SCHEMA["required"], "nothing"))
    model = ScriptedModel(call("write_summary", summary), text("Hello"))
    model.context_size = 1100
    return Talk(
        model,
        state=talk.state,
        context_config=ContextConfig(trigger_ratio=0.5),
        middlewares=[HeldCompression(place)],
    )


def shelving(place: Place) -> Talk:
    """What goes into a summary is put away."""

    async def shelf(name_hint: str, data: bytes) -> str | None:
        if not place.reached.is_set():
            await place.wait()
        return None

    state = compression(place).state
    summary = call("write_summary", json.dumps(dict.fromkeys(SUMMARY_SCHEMA["required"], "nothing")))
    model = ScriptedModel(summary, summary, text("Hello"))
    model.context_size = 1100
    return Talk(model, state=state, context_config=ContextConfig(trigger_ratio=0.5), offload=shelf)


PLACES = [
    *(handshake, streaming, sequential, concurrent, compression, judgement, listing),
    *(before_reasoning, in_reasoning, before_reply, in_reply, around_compression, shelving),
]

RECORDED = [at for at in PLACES if at not in (before_reply, in_reply)]
"""Those where something of the reply has been recorded."""
