"""The file of a skill: YAML front matter with a name and a description, then instructions in Markdown."""

import re
from typing import cast

import yaml

from agentsvc.agent.skills import Skill

SKILL_FILE = "SKILL.md"
MAX_SKILL_BYTES = 262_144

_MAX_FRONT = 16_384
_MAX_NAME = 100
_PARTS = re.compile(r"---[ \t]*\n(.*?\n)?---[ \t]*(?:\n(.*))?", re.DOTALL)


class BadSkill(ValueError):
    """The file is not a skill. The text says why."""


def read_skill(data: bytes, directory: str) -> Skill:
    """The skill in a file that lies in the directory. Keys other than name and description are ignored.

    Raises BadSkill.
    """
    front, body = _parts(data)
    values = _front_matter(front)
    name, description = (_required(values, key) for key in ("name", "description"))
    if len(name) > _MAX_NAME or not name.isprintable():
        raise BadSkill(f"its name is not one line of at most {_MAX_NAME} characters")
    return Skill(name=name, description=description, dir=directory, markdown=body.strip())


def _parts(data: bytes) -> tuple[str, str]:
    if len(data) > MAX_SKILL_BYTES:
        raise BadSkill(f"it has more than {MAX_SKILL_BYTES} bytes")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise BadSkill("it is not UTF-8") from error
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise BadSkill("it does not begin with front matter between two lines of ---")
    front = parts[1] or ""
    if len(front) > _MAX_FRONT:
        raise BadSkill(f"its front matter has more than {_MAX_FRONT} characters")
    return front, parts[2] or ""


def _front_matter(text: str) -> dict[object, object]:
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadSkill(f"its front matter is not YAML: {reason}") from error
    if not isinstance(values, dict):
        raise BadSkill("its front matter has no keys")
    return cast("dict[object, object]", values)


def _required(values: dict[object, object], key: str) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not value.strip():
        raise BadSkill(f"its front matter has no text under {key!r}")
    return value.strip()
