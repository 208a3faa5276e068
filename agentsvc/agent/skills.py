"""Skills: instructions for a kind of work, which a model reads when it needs them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from html import escape
from typing import Any

from msgspec import Struct

from agentsvc.agent.arguments import shorten
from agentsvc.agent.tool import ToolBase, ToolChunk

SKILL_VIEWER = "Skill"

_SHOWN_CHARS = 1_024
_SUGGESTIONS = 5


class Skill(Struct, frozen=True, kw_only=True):
    """``dir`` is the directory that holds what the instructions in ``markdown`` speak of."""

    name: str
    description: str
    dir: str
    markdown: str


class SkillLoaderBase(ABC):
    """Finds skills. It is asked at the beginning of a turn, so what changes in between is seen in the next one."""

    @abstractmethod
    async def list_skills(self) -> Sequence[Skill]: ...


def section(skills: Sequence[Skill]) -> str:
    """The part of the system prompt that names them, empty when there are none. What a skill says of itself is data."""
    if not skills:
        return ""
    entries = "\n".join(_entry(skill) for skill in skills)
    return (
        "<agent-skills>\n"
        "A skill is a set of instructions for one kind of work, kept in a directory with the files it needs. Skills "
        f"are not tools and cannot be called. When one fits what is to be done, first read it with the {SKILL_VIEWER} "
        f"tool, then work as it says.\n{entries}\n"
        "</agent-skills>"
    )


class SkillViewer(ToolBase):
    """Shows the instructions of one skill."""

    name = SKILL_VIEWER
    description = (
        "Read the instructions of a skill before doing the work that it is for. The available skills are listed in "
        "the system prompt."
    )
    is_concurrency_safe = True
    is_read_only = True
    idempotent = True
    input_schema: dict[str, Any] = {  # noqa: RUF012 - never changed
        "type": "object",
        "properties": {"skill": {"type": "string", "description": "The name of the skill, as it is listed."}},
        "required": ["skill"],
        "additionalProperties": False,
    }

    def __init__(self, skills: Mapping[str, Skill]) -> None:
        self._skills = skills

    async def call(self, skill: str) -> ToolChunk:
        found = self._skills.get(skill)
        if found is None:
            return ToolChunk.text(self._no_such_skill(skill), state="error")
        return ToolChunk.text(f"The directory of this skill is {found.dir}\n\n{found.markdown}")

    def _no_such_skill(self, name: str) -> str:
        short = shorten(name, 64)
        closest = get_close_matches(short, self._skills, n=_SUGGESTIONS, cutoff=0.0)
        return f"There is no skill named {short!r}. The closest names are: {', '.join(closest)}."


def _entry(skill: Skill) -> str:
    description = shorten(" ".join(skill.description.split()), _SHOWN_CHARS)
    name, about, where = (escape(text, quote=False) for text in (skill.name, description, skill.dir))
    return f"<skill><name>{name}</name><description>{about}</description><dir>{where}</dir></skill>"
