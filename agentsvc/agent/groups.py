"""Groups of tools: which of them are active is for the model to choose, with the tool ``reset_tools``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from agentsvc.agent.skills import Skill, SkillLoaderBase
from agentsvc.agent.sources import ToolSource
from agentsvc.agent.tool import ToolBase, ToolChunk
from agentsvc.agent.tools import RESET_TOOLS, is_name
from agentsvc.domain.states import AgentState

BASIC = "basic"
"""The group of what is given without a group. It is always active."""


@dataclass(frozen=True)
class ToolGroup:
    """``description`` tells the model what the group is for, ``instructions`` how to use it once it is active.

    Raises ValueError for a reserved name, one that cannot name a parameter, and a missing description.
    """

    name: str
    description: str
    instructions: str | None = None
    tools: Sequence[ToolBase | ToolSource] = ()
    skills: Sequence[Skill | SkillLoaderBase] = ()

    def __post_init__(self) -> None:
        if self.name == BASIC:
            raise ValueError(f"the group {BASIC!r} is there already: give its tools without a group")
        if not is_name(self.name):
            raise ValueError(f"{self.name!r} cannot name a group: 1 to 64 of A-Z, a-z, 0-9, _ and - can")
        if not self.description.strip():
            raise ValueError(f"the group {self.name!r} has no description")


class ResetTools(ToolBase):
    """Sets which groups are active: those given as true and no others."""

    name = RESET_TOOLS
    description = (
        "Choose which groups of tools are active. Give the whole choice: a group that is not set to true is "
        "deactivated. The tools of the active groups can be called from your next step on."
    )
    is_always_allowed = True
    is_state_injected = True
    idempotent = True

    def __init__(self, groups: Sequence[ToolGroup]) -> None:
        self._groups = tuple(groups)
        properties = {
            group.name: {"type": "boolean", "default": False, "description": group.description} for group in groups
        }
        self.input_schema: dict[str, Any] = {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
        }

    async def call(self, /, *, _agent_state: AgentState, **wanted: bool) -> ToolChunk:
        active = [group for group in self._groups if wanted.get(group.name)]
        _agent_state.tool_context = replace(
            _agent_state.tool_context, activated_groups=[group.name for group in active]
        )
        return ToolChunk.text(_activated(active))


def _activated(groups: Sequence[ToolGroup]) -> str:
    if not groups:
        return "No group of tools is active now."
    told = f"Active groups of tools: {', '.join(group.name for group in groups)}."
    parts = [f'<group name="{group.name}">\n{group.instructions}\n</group>' for group in groups if group.instructions]
    if not parts:
        return told
    return "\n".join([told, "<tool-instructions>", *parts, "</tool-instructions>"])
