"""Which tool calls may run: modes, rules, reasons, and what a session remembers of them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

PermissionMode = Literal["default", "accept_edits", "explore", "bypass", "dont_ask"]
PermissionBehavior = Literal["allow", "deny", "ask"]


class PermissionRule(Struct, frozen=True, kw_only=True):
    """``rule_content`` null or empty matches every call of the tool; ``source`` says who made the rule."""

    tool_name: Annotated[str, Meta(min_length=1, max_length=200)]
    rule_content: Annotated[str, Meta(max_length=2000)] | None
    behavior: PermissionBehavior
    source: Annotated[str, Meta(max_length=200)] = "user"


MOST_RULES = 500
"""That a client may send at once."""

Rules = Annotated[list[PermissionRule], Meta(max_length=MOST_RULES)]


class WorkingDirectory(Struct, frozen=True, kw_only=True):
    path: str
    source: str


class PermissionContext(Struct, frozen=True, kw_only=True):
    """Rules are filed by behaviour and tool. ``working_directories`` are keyed by path; the workspace is always one."""

    mode: PermissionMode = "default"
    working_directories: dict[str, WorkingDirectory] = {}
    allow_rules: dict[str, list[PermissionRule]] = {}
    deny_rules: dict[str, list[PermissionRule]] = {}
    ask_rules: dict[str, list[PermissionRule]] = {}


class Reason(Struct, frozen=True, kw_only=True):
    """Why a call was asked about or denied: ``code`` for programs, ``message`` for people and the model.

    ``safety``: no rule of a user can answer this question beforehand.
    """

    code: str
    message: str
    safety: bool = False
