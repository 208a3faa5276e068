"""The built-in demo: a model that needs no provider and no key, says so, and always answers the same to the same.

A message that holds a line ``/tool NAME {"argument": "value"}`` makes it call that tool, when the agent has it (several
lines: several calls at once), and report what came back. To everything else it answers with an echo.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

from agentsvc.agent.model import ChatModelBase, Finish, ModelDelta, ModelRequest, TextDelta, ToolCallDelta
from agentsvc.domain.messages import Block, Msg, TextBlock, ToolCallBlock, ToolResultBlock, Usage
from agentsvc.domain.models import ModelCard
from agentsvc.domain.sessions import ChatModelConfig
from agentsvc.models.cards import card_folder
from agentsvc.models.credentials import CredentialBase, ModelContext
from agentsvc.models.demo_arguments import sample

DEMO_MODEL = "demo"
DEMO_CONFIG = ChatModelConfig(type="demo_credential", credential_id="demo", model=DEMO_MODEL)
"""The model of a session whose owner has no credential; this credential is in no store."""

_LABEL = "[demo] "
_HELP = "This is the built-in demo model: it calls no provider and only repeats what it hears. You said: "
_COMMAND = re.compile(r"^[ \t]*/tool[ \t]+(\S+)[ \t]*(.*)$", re.MULTILINE)
_WORD = re.compile(r"\s*\S+\s*")


class Parameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the demo behaves."""

    pace_ms: Annotated[int, Meta(ge=0, le=1000, title="Pace", description="Milliseconds from word to word.")] = 15


class DemoCredential(CredentialBase, frozen=True, kw_only=True, tag="demo_credential"):
    """A credential without a secret."""

    title: ClassVar[str] = "Demo (no provider)"
    parameters: ClassVar[type[Struct]] = Parameters
    cards = card_folder("demo")

    def chat_model(self, card: ModelCard, parameters: Any, context: ModelContext) -> ChatModelBase:  # noqa: ARG002
        return DemoChatModel(parameters, context_size=card.context_size)


class DemoChatModel(ChatModelBase):
    """See the module."""

    name = DEMO_MODEL

    def __init__(self, parameters: Parameters | None = None, *, context_size: int = 128_000) -> None:
        self.context_size = context_size
        self.input_types = ("text/plain",)
        self._pace = (parameters or Parameters()).pace_ms / 1000

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelDelta, None]:
        calls = list(_calls(request))
        words = _WORD.findall(_LABEL + _answer(request)) if not calls else []
        for word in words:
            yield TextDelta(word)
            await asyncio.sleep(self._pace)
        for call in calls:
            yield call
        usage = Usage(input_tokens=_tokens(request), output_tokens=len(words) or len(calls))
        yield Finish("tool_calls" if calls else "stop", usage)


def _calls(request: ModelRequest) -> Iterator[ToolCallDelta]:
    """The calls that the choice forces or the message asks for, unless they have been made already."""
    user, since = _turn(request.messages)
    made = sum(isinstance(block, ToolCallBlock) for block in since)
    schemas = {tool.name: tool.parameters for tool in request.tools}
    asked = _commands(user)
    if request.tool_choice.mode in schemas:
        name = request.tool_choice.mode
        asked = [(name, dict(asked).get(name) or sample(schemas[name]))]
    elif made or request.tool_choice.mode == "none":
        return
    wanted = [(name, arguments) for name, arguments in asked if name in schemas]
    for index, (name, arguments) in enumerate(wanted):
        identity = f"demo_{user.id if user else ''}_{made + index}"
        yield ToolCallDelta(index, arguments or "{}", identity, name)


def _answer(request: ModelRequest) -> str:
    user, since = _turn(request.messages)
    results = [block for block in since if isinstance(block, ToolResultBlock)]
    if results:
        return "\n".join(
            f"The tool {each.name} ended with {each.state} and returned: {_shown(each)}" for each in results
        )
    offered = [tool.name for tool in request.tools]
    missing = [name for name, _ in _commands(user) if name not in offered]
    if missing:
        return f"This agent has no tool {missing[0]}. It has {', '.join(offered) or 'no tool at all'}."
    said = (user.text() if user else None) or "nothing that is text."
    return _HELP + said


def _turn(messages: Sequence[Msg]) -> tuple[Msg | None, list[Block]]:
    """The last message of the user, and the blocks of the reply to it so far."""
    since: list[Block] = []
    for message in reversed(messages):
        if message.role == "user":
            return message, since
        since = [*message.content, *since]
    return None, since


def _commands(user: Msg | None) -> list[tuple[str, str]]:
    found = _COMMAND.findall((user.text() if user else None) or "")
    return [(name, arguments.strip()) for name, arguments in found]


def _shown(result: ToolResultBlock) -> str:
    if isinstance(result.output, str):
        return result.output
    return "\n".join(
        each.text if isinstance(each, TextBlock) else f"[{each.source.media_type}]" for each in result.output
    )


def _tokens(request: ModelRequest) -> int:
    return sum(len(message.text() or "") for message in request.messages) // 4 + 1
