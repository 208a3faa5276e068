"""What an agent remembers of a session between turns."""

from typing import Any, Literal

from msgspec import Struct, field

from agentsvc.domain.approvals import Approval
from agentsvc.domain.messages import DataBlock, Msg, TextBlock
from agentsvc.domain.permissions import PermissionContext


class ReplyContext(Struct, frozen=True, kw_only=True):
    """The reply in flight or parked; ``reply_id`` is empty when there is none. ``cur_iter`` counts finished rounds.

    The first ``summarised`` blocks of the reply are in the summary: the model does not see them again.
    """

    reply_id: str = ""
    cur_iter: int = 0
    structured_schema: dict[str, Any] | None = None
    structured_output: dict[str, Any] | None = None
    summarised: int = 0


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


class TokenCount(Struct, frozen=True, kw_only=True):
    """What a provider counted, up to a place in the context: the first ``blocks`` blocks of message ``message_id``."""

    message_id: str
    blocks: int
    tokens: int


class CompressionContext(Struct, frozen=True, kw_only=True):
    """``stored`` is where the messages behind the summary are kept, oldest first.

    ``tokens`` are those that the conversation had after the last attempt to shorten it, whatever became of that.
    """

    stored: list[str] = []
    tokens: int = 0


class AgentState(Struct, kw_only=True):
    """``context`` is the conversation that the model sees. It is stored message by message, apart from the rest.

    The one thing of an agent that is changed in place: a tool that is given it sets a part, which is itself frozen, and
    the part is stored together with the tool's result.

    ``waiting`` are messages that came while a reply was parked: they are answered after it. ``approvals`` are the
    questions of the reply, and of an earlier one as long as their records may lag behind.
    """

    session_id: str
    summary: str | list[TextBlock | DataBlock] = ""
    context: list[Msg] = []
    reply_context: ReplyContext = ReplyContext()
    permission_context: PermissionContext = field(default_factory=PermissionContext)
    tool_context: ToolContext = field(default_factory=ToolContext)
    tasks_context: TasksContext = field(default_factory=TasksContext)
    middle_context: dict[str, Any] = {}
    waiting: list[Msg] = []
    approvals: list[Approval] = []
    token_count: TokenCount | None = None
    compression_context: CompressionContext = field(default_factory=CompressionContext)
