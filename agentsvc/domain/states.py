"""What an agent remembers of a session between turns."""

from typing import Any, Literal

from msgspec import Struct, field

from agentsvc.domain.messages import DataBlock, Msg, TextBlock
from agentsvc.domain.permissions import PermissionContext


class ReplyContext(Struct, frozen=True, kw_only=True):
    """The reply in flight or parked; ``reply_id`` is empty when there is none. ``cur_iter`` counts finished rounds."""

    reply_id: str = ""
    cur_iter: int = 0
    structured_schema: dict[str, Any] | None = None
    structured_output: dict[str, Any] | None = None


class ReadFile(Struct, frozen=True, kw_only=True):
    """What proves that the agent has read a file: the backend's own stamp of it."""

    file_path: str
    stamp: str


class ToolContext(Struct, frozen=True, kw_only=True):
    max_cache_files: int = 100
    read_file_cache: list[ReadFile] = []
    activated_groups: list[str] = []


class Task(Struct, frozen=True, kw_only=True):
    id: str
    subject: str
    description: str
    created_at: str
    metadata: dict[str, Any] = {}
    state: Literal["pending", "in_progress", "completed"] = "pending"
    owner: str | None = None
    blocks: list[str] = []
    blocked_by: list[str] = []


class TasksContext(Struct, frozen=True, kw_only=True):
    tasks: list[Task] = []


class AgentState(Struct, frozen=True, kw_only=True):
    """``context`` is the conversation that the model sees. It is stored message by message, apart from the rest."""

    session_id: str
    summary: str | list[TextBlock | DataBlock] = ""
    context: list[Msg] = []
    reply_context: ReplyContext = ReplyContext()
    permission_context: PermissionContext = field(default_factory=PermissionContext)
    tool_context: ToolContext = field(default_factory=ToolContext)
    tasks_context: TasksContext = field(default_factory=TasksContext)
    middle_context: dict[str, Any] = {}
