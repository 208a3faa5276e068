"""Tools of every kind, that write down which of their calls have run."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from msgspec import Struct

from agentsvc.agent.permissions import Examination, WholeTool
from agentsvc.agent.tool import ToolBase, ToolChunk, tool
from agentsvc.domain.messages import Base64Source, DataBlock, TextBlock
from agentsvc.domain.permissions import PermissionContext, Reason
from agentsvc.domain.states import AgentState, Task, TasksContext

AGAIN = "twice"
"""The tool that may run again for the same call."""


class _Told(ToolBase):
    input_schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}  # noqa: RUF012
    is_concurrency_safe = True

    def __init__(self, ran: Counter[tuple[str, int]]) -> None:
        self.ran = ran


class Risky(_Told):
    """Its questions are of safety."""

    name = "risky"
    description = "Dangerous."

    async def check_permissions(self, tool_input: dict[str, Any], context: PermissionContext) -> Examination:
        return WholeTool(opinion="ask", reason=Reason(code="danger", message="It may explode.", safety=True))

    async def call(self, *, n: int) -> ToolChunk:
        self.ran["risky", n] += 1
        return ToolChunk.text("boom")


class Note(_Told):
    """Changes the state of the agent."""

    name = "note"
    description = "Note it."
    is_always_allowed = True
    is_state_injected = True
    is_concurrency_safe = False

    async def call(self, *, n: int, _agent_state: AgentState) -> ToolChunk:
        self.ran["note", n] += 1
        task = Task(id=str(n), subject="it", description="", created_at="")
        _agent_state.tasks_context = TasksContext(tasks=[*_agent_state.tasks_context.tasks, task])
        return ToolChunk(metadata={"noted": n})


class Toolbox(Struct, frozen=True):
    tools: list[ToolBase]
    ran: Counter[tuple[str, int]]


def toolbox(stop: Callable[[], None]) -> Toolbox:
    """``stop`` is what one of the tools does."""
    ran: Counter[tuple[str, int]] = Counter()

    @tool(always_allowed=True)
    async def stopper(n: int) -> str:
        ran["stopper", n] += 1
        stop()
        await asyncio.sleep(0)
        return "too late" if n % 2 else ""

    return Toolbox([*_plain(ran), *_streaming(ran), *_guarded(ran), Risky(ran), Note(ran), stopper], ran)


def _plain(ran: Counter[tuple[str, int]]) -> list[ToolBase]:
    @tool(always_allowed=True)
    async def echo(n: int) -> str:
        ran["echo", n] += 1
        await asyncio.sleep(0)
        return f"got {n}"

    @tool(always_allowed=True, concurrent=False)
    async def alone(n: int) -> str:
        ran["alone", n] += 1
        return f"got {n}"

    @tool(always_allowed=True)
    async def fail(n: int) -> str:
        ran["fail", n] += 1
        raise RuntimeError("boom")

    @tool(always_allowed=True)
    async def picture(n: int) -> list[TextBlock | DataBlock]:
        ran["picture", n] += 1
        image = DataBlock(source=Base64Source(data="cGl4", media_type="image/png"))
        return [TextBlock(text="see"), image, TextBlock(text="!")]

    @tool(always_allowed=True)
    async def long(n: int) -> str:
        ran["long", n] += 1
        return f"{n} and so on, " * 50

    return [echo, alone, fail, picture, long]


def _streaming(ran: Counter[tuple[str, int]]) -> list[ToolBase]:
    @tool(name=AGAIN, always_allowed=True, idempotent=True)
    async def twice(n: int) -> AsyncIterator[str]:
        ran[AGAIN, n] += 1
        yield "one"
        await asyncio.sleep(0)
        yield "two"

    @tool(always_allowed=True)
    async def stream(n: int) -> AsyncIterator[ToolChunk]:
        ran["stream", n] += 1
        for word in ("a", "b"):
            await asyncio.sleep(0)
            yield ToolChunk(content=[TextBlock(text=word)], metadata={word: n})
        if n % 2:
            raise ValueError("half way")

    return [twice, stream]


def _guarded(ran: Counter[tuple[str, int]]) -> list[ToolBase]:
    @tool
    async def touch(n: int) -> str:
        ran["touch", n] += 1
        return f"made {n}"

    @tool
    async def forbidden(n: int) -> str:
        raise AssertionError("a rule denies it")

    @tool(external=True)
    async def locate(n: int) -> str:
        raise AssertionError("the client carries it out")

    return [touch, forbidden, locate]
