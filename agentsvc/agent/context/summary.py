"""The summary of a conversation: how a model is asked for it, how its answer is read, how it is written down."""

import re
from collections.abc import AsyncIterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from agentsvc.agent.arguments import ArgumentSchema, BadArguments, BadSchema, parse
from agentsvc.agent.context.history import repair
from agentsvc.agent.context.images import limit_images
from agentsvc.agent.context.notices import info, notice
from agentsvc.agent.context.prompt import system_message
from agentsvc.agent.context.tokens import of_blocks, of_text
from agentsvc.agent.context.transcript import retold
from agentsvc.agent.model import (
    Finish,
    ModelDelta,
    ModelRequest,
    StopReason,
    TextDelta,
    ToolCallDelta,
    ToolChoice,
    ToolSchema,
)
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.messages import DataBlock, Msg, TextBlock

TOOL = "write_summary"

_PARTS = {
    "task_overview": "What the user wants, in the user's own terms: the request, its constraints, what counts as done.",
    "current_state": "What has been done so far and with what result; files, records and other things made or changed.",
    "important_discoveries": "What was found out: facts, decisions and their reasons, attempts that failed and why.",
    "next_steps": "What is still to do, in order; unfinished and background work with id, owner and status.",
    "context_to_preserve": "Whatever else must not be lost: preferences, promises, names, exact values and wordings.",
}
SUMMARY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {name: {"type": "string", "description": told} for name, told in _PARTS.items()},
    "required": list(_PARTS),
}

_PROMPT = """\
Write the summary from which this conversation will be continued. It is now {current_time}.
The summary takes the place of everything above: whoever goes on sees nothing else of it. It may itself be summarised
again later, so let every statement stand on its own.
- Make each reference absolute: dates in place of "yesterday" or "in an hour", full names in place of "he" or "it",
  whole paths, addresses and ids, commands exactly as they were run.
- Take over what still holds from an earlier summary.
- Name unfinished work and work in the background with its id, who does it and how far it is.
- Say what was tried in vain, so that it is not tried again.
- Do not go on with the conversation and do not answer what is asked in it."""
_BY_TOOL = f"\nGive the summary by calling the tool {TOOL} once."
_BY_TEXT = "\nAnswer with nothing but the summary, as plain text with a heading for each of these parts: {parts}."
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_WHOLE: frozenset[StopReason] = frozenset({"stop", "tool_calls", "unknown"})


class Answer(Struct, frozen=True, kw_only=True):
    """What a model said as a whole. ``calls`` are names and arguments."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    finish: Finish = Finish("unknown")


class BadSummary(Exception):
    """The answer holds no summary that can be used."""


class Material(Struct, frozen=True, kw_only=True):
    """What a summary is made of. ``now`` is the time as the model is to be told it."""

    system_prompt: str
    summary: str | list[TextBlock | DataBlock]
    messages: Sequence[Msg]
    config: ContextConfig
    now: str

    @property
    def schema(self) -> dict[str, Any]:
        return self.config.summary_schema or SUMMARY_SCHEMA

    @property
    def prompt(self) -> str:
        """The instruction; one that does not say where the time stands is told it first."""
        prompt = self.config.compression_prompt or _PROMPT
        if "{current_time}" not in prompt:
            prompt = f"It is now {{current_time}}.\n{prompt}"
        return prompt.replace("{current_time}", self.now)

    @property
    def fixed(self) -> int:
        """Tokens of a request beside the messages."""
        before = of_text(self.summary) if isinstance(self.summary, str) else of_blocks(self.summary)
        return of_text(self.system_prompt) + before + of_text(self.prompt) + of_text(str(self.schema))


async def collected(deltas: AsyncIterable[ModelDelta]) -> Answer:
    """The whole of an answer that streams."""
    texts: list[str] = []
    names: dict[int, str] = {}
    arguments: dict[int, list[str]] = {}
    finish = Finish("unknown")
    async for delta in deltas:
        match delta:
            case TextDelta(text=text):
                texts.append(text)
            case ToolCallDelta(index=index, arguments=piece, name=name):
                names.setdefault(index, name or "")
                arguments.setdefault(index, []).append(piece)
            case Finish():
                finish = delta
            case _:
                pass
    calls = tuple((names[index], "".join(pieces)) for index, pieces in arguments.items())
    return Answer(text="".join(texts), calls=calls, finish=finish)


def by_tool(material: Material, mode: str = TOOL) -> ModelRequest:
    """Ask for a call of the one tool; ``mode`` is the tool choice."""
    tool = ToolSchema(TOOL, "Takes the summary of the conversation.", material.schema)
    messages = repair(limit_images(material.messages, material.config.max_image_num))
    return _request(material, messages, _BY_TOOL, (tool,), ToolChoice(mode))


def by_text(material: Material, room: int) -> ModelRequest:
    """Ask for plain text, about a conversation that is told as plain text: there is nothing in it to refuse."""
    parts = ", ".join(_heading(name) for name in material.schema.get("properties", {})) or "as you see fit"
    return _request(material, [retold(material.messages, room)], _BY_TEXT.replace("{parts}", parts))


def fields(answer: Answer, schema: dict[str, Any]) -> dict[str, Any]:
    """What the tool was called with. Raises BadSummary."""
    _check_whole(answer)
    arguments = next((text for name, text in answer.calls if name == TOOL), None)
    if arguments is None:
        raise BadSummary("the tool was not called")
    try:
        values = parse(arguments)
        ArgumentSchema(schema).check(values)
    except (BadArguments, BadSchema) as error:
        raise BadSummary(str(error)) from error
    if not any(_said(value).strip() for value in values.values()):
        raise BadSummary("it is empty")
    return values


def plain(answer: Answer) -> str:
    """The text of the answer. Raises BadSummary."""
    _check_whole(answer)
    if not answer.text.strip():
        raise BadSummary("it is empty")
    return answer.text.strip()


def written(values: Mapping[str, Any], config: ContextConfig) -> str:
    """The summary as text, by the template or else with a heading for each part in the order of the schema.

    Only plain placeholders such as ``{next_steps}`` are filled in: a template is text from outside.
    """
    if config.summary_template is not None:
        return _PLACEHOLDER.sub(lambda found: _said(values.get(found[1], found[0])), config.summary_template)
    named = (config.summary_schema or SUMMARY_SCHEMA).get("properties", {})
    order = [*(name for name in named if name in values), *(name for name in values if name not in named)]
    return "\n\n".join(f"# {_heading(name)}\n{_said(values[name])}" for name in order)


def _request(
    material: Material,
    messages: Sequence[Msg],
    how: str,
    tools: Sequence[ToolSchema] = (),
    choice: ToolChoice = ToolChoice(),  # noqa: B008 - frozen
) -> ModelRequest:
    system = [system_message(material.system_prompt)] if material.system_prompt else []
    before = [notice(material.summary)] if material.summary else []
    return ModelRequest([*system, *before, *messages, notice(info(material.prompt + how))], tools, choice)


def _check_whole(answer: Answer) -> None:
    if answer.finish.reason not in _WHOLE:
        raise BadSummary(f"the answer ended with {answer.finish.reason}")


def _heading(name: str) -> str:
    return name.replace("_", " ").strip().capitalize()


def _said(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
