"""Structured output: an answer that matches a JSON Schema, given by calling a tool."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from agentsvc.agent.arguments import ArgumentSchema, BadSchema
from agentsvc.agent.defaults import filled
from agentsvc.agent.limits import target
from agentsvc.agent.tool import ToolBase, ToolChunk
from agentsvc.domain.states import AgentState

STRUCTURED_OUTPUT = "GenerateStructuredOutput"

_AS_THEY_ARE = ("const", "default", "enum", "examples")


class GenerateStructuredOutput(ToolBase):
    """Takes the answer as its arguments. ``schema`` is one that ``structured_schema`` gave."""

    name = STRUCTURED_OUTPUT
    description = (
        "Give the final answer in the form that is asked for: the arguments are the answer. Call it once all other "
        "work is done. When the arguments do not match, the result says where; correct them and call it again."
    )
    is_read_only = True
    is_always_allowed = True
    is_state_injected = True
    idempotent = True

    def __init__(self, schema: dict[str, Any]) -> None:
        self.input_schema = schema

    async def call(self, /, *, _agent_state: AgentState, **output: Any) -> ToolChunk:
        whole = filled(output, self.input_schema)
        _agent_state.reply_context = replace(_agent_state.reply_context, structured_output=whole)
        accepted = ToolChunk.text("The structured output was accepted.")
        return replace(accepted, metadata={"structured_output": whole})


def reminder(*, last: bool) -> str:
    """What the model is told when it has answered without the tool; ``last`` when hardly a chance is left."""
    urgency = " This is the last chance: do it now, with what you know." if last else ""
    text = f"The answer has to be given by calling {STRUCTURED_OUTPUT}; text alone does not count.{urgency}"
    return f"<system-hint>{text}</system-hint>"


def structured_schema(wanted: type[Struct] | Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for as a JSON Schema of type object that models take and that can be stored; without titles.

    Raises BadSchema.
    """
    whole = dict(wanted) if isinstance(wanted, Mapping) else msgspec.json.schema(wanted)
    schema: dict[str, Any] = _without_titles(_opened(whole))
    if "type" not in schema and "properties" in schema:
        schema["type"] = "object"
    if schema.get("type") != "object":
        raise BadSchema("structured output is an object")
    ArgumentSchema(schema)
    return schema


def _opened(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with what its root refers to in the root: models want to see an object there."""
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    try:
        found = target(schema, reference)
    except ValueError as error:
        raise BadSchema(str(error)) from error
    if not isinstance(found, Mapping):
        raise BadSchema(f"the reference {reference!r} does not point to a schema")
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**cast("Mapping[str, Any]", found), **beside}


def _without_titles(node: Any) -> Any:
    """Titles are texts; a property named ``title`` is a schema and stays."""
    if isinstance(node, Mapping):
        schema = cast("Mapping[str, Any]", node)
        return {
            key: value if key in _AS_THEY_ARE else _without_titles(value)
            for key, value in schema.items()
            if not (key == "title" and isinstance(value, str))
        }
    if isinstance(node, Sequence) and not isinstance(node, str):
        return [_without_titles(each) for each in cast("Sequence[object]", node)]
    return node
