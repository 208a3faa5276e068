"""Tools that wait to be let through, and stops at an event of a kind."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from agentsvc.agent.agent import AgentMiddleware, Handler
from agentsvc.agent.interruption import Interruption
from agentsvc.agent.tool import ToolBase, tool
from agentsvc.domain import events as ev
from agentsvc.domain.messages import Msg, ToolResultBlock
from agentsvc.domain.permissions import PermissionMode
from agentsvc.domain.runs import Stop
from tests.agent.replies import Talk
from tests.agent.wholeness import check_message, check_order
from tests.fakes.models import ScriptedModel


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
