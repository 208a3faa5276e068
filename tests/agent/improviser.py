"""A model that says what its script says, and sees that it is shown only what every provider would take."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from itertools import count

from msgspec.structs import replace

from agentsvc.agent.context.history import repair
from agentsvc.agent.context.summary import SUMMARY_SCHEMA
from agentsvc.agent.model import ChatModelBase, Finish, ModelDelta, ModelRequest, TextDelta, ToolCallDelta
from agentsvc.domain.messages import Usage
from agentsvc.models.openai_requests import encode
from tests.agent.scripts import SUMMARY, Said, Script, Stop, Wish

_SUMMARY = json.dumps(dict.fromkeys(SUMMARY_SCHEMA["required"], "nothing"))


class Improviser(ChatModelBase):
    """``stop`` is what is done where somebody interrupts. The calls of one session are numbered throughout."""

    def __init__(self, script: Script, stop: Callable[[Wish], None]) -> None:
        self.name = "improviser"
        self.context_size = script.context_size
        self.requests: list[ModelRequest] = []
        self._answers = list(script.answers)
        self._summaries = list(script.summaries)
        self._stop = stop
        self._numbers = count(1)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta]:
        self._check(request)
        self.requests.append(request)
        for step in self._next(request):
            match step:
                case Exception():
                    raise step
                case Stop(waits=waits, wish=wish):
                    asyncio.get_running_loop().call_soon(self._stop, wish)
                    if waits:
                        await asyncio.sleep(0)
                case ToolCallDelta(arguments=arguments):
                    yield replace(step, arguments=self._filled(arguments))
                case _:
                    yield step

    def forget(self) -> None:
        """Have nothing more to say than a word."""
        self._answers.clear()
        self._summaries.clear()

    def _filled(self, arguments: str) -> str:
        if "NUMBER" in arguments:
            return arguments.replace("NUMBER", str(next(self._numbers)))
        return arguments.replace("SUMMARY", _SUMMARY)

    def _next(self, request: ModelRequest) -> list[Said]:
        if "Write the summary" in (request.messages[-1].text() or ""):
            return self._summaries.pop(0) if self._summaries else SUMMARY
        if self._answers:
            return self._answers.pop(0)
        if request.tool_choice.mode not in ("auto", "none"):
            return [ToolCallDelta(0, '{"city": "Vigo"}', name=request.tool_choice.mode), Finish("tool_calls")]
        return [TextDelta("Done."), Finish("stop", Usage(input_tokens=50, output_tokens=2))]

    def _check(self, request: ModelRequest) -> None:
        system, *messages = request.messages
        assert system.role == "system"
        assert repair(messages) == messages, "a provider would refuse it"
        encode(request, "m", {}, ())
