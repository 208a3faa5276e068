"""A chat model that follows a script, for tests of what is above the wire."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from agentsvc.agent.model import (
    ChatModelBase,
    DataDelta,
    Finish,
    ModelDelta,
    ModelRequest,
    StopReason,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
)
from agentsvc.domain.messages import Usage

Step = ModelDelta | BaseException | asyncio.Event | Callable[[], None]


def text(*pieces: str) -> list[Step]:
    return [TextDelta(piece) for piece in pieces]


def thinking(*pieces: str) -> list[Step]:
    return [ThinkingDelta(piece) for piece in pieces]


def call(name: str, arguments: str = "{}", index: int = 0) -> list[Step]:
    """A tool call in two pieces."""
    middle = len(arguments) // 2
    return [
        ToolCallDelta(index, arguments[:middle], id=f"call_{index}", name=name),
        ToolCallDelta(index, arguments[middle:]),
    ]


class ScriptedModel(ChatModelBase):
    """Answers each request with the next script.

    A script is a list of deltas; an exception in it is raised, an event waited for, a function called. A script without
    a ``Finish`` gets one.
    """

    def __init__(self, *scripts: Sequence[Step], name: str = "scripted") -> None:
        self.name = name
        self.context_size = 128_000
        self.scripts = list(scripts)
        self.requests: list[ModelRequest] = []
        self.closed = 0

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta]:
        self.requests.append(request)
        steps = self.scripts.pop(0)
        reason: StopReason = "stop"
        try:
            for step in steps:
                match step:
                    case BaseException():
                        raise step
                    case asyncio.Event():
                        await step.wait()
                    case Finish():
                        yield step
                        return
                    case TextDelta() | ThinkingDelta() | ToolCallDelta() | DataDelta():
                        reason = "tool_calls" if isinstance(step, ToolCallDelta) else reason
                        yield step
                    case _ if callable(step):
                        step()
            yield Finish(reason, Usage(input_tokens=10, output_tokens=5))
        finally:
            self.closed += 1
