"""What all tools that act on files have in common: the backend, refusals in words, and what was read before."""

from typing import Any

from msgspec.structs import replace

from agentsvc.agent.backend import BackendBase, Changed, FileStat, Outside
from agentsvc.agent.tool import ToolBase, ToolChunk
from agentsvc.domain.permissions import PermissionContext
from agentsvc.domain.states import AgentState, ReadFile
from agentsvc.tools.examinations import PathExamination, examine_write
from agentsvc.tools.paths import PathJudge, Sensitivity, shown
from agentsvc.tools.patterns import BadPattern

LARGEST = 10_000_000
"""Bytes of a file that a tool takes as a whole."""

PATH_SCHEMA = {"type": "string", "minLength": 1}


class Refused(Exception):
    """The call cannot be done; the words are for the model."""


class FileTool(ToolBase):
    """A subclass overrides ``carry_out``. What it refuses, and what the backend does, the model reads as an error."""

    def __init__(self, backend: BackendBase, *, sensitivity: Sensitivity | None = None) -> None:
        self.backend = backend
        self.sensitivity = sensitivity or Sensitivity()

    async def call(self, **arguments: Any) -> ToolChunk:
        try:
            return await self.carry_out(**arguments)
        except (Refused, BadPattern) as error:
            message = str(error)
        except Outside:
            message = "The path leads out of the workspace."
        except Changed:
            message = "The file was changed by somebody else in the meantime. Read it again."
        except OSError as error:
            message = f"{type(error).__name__}: {error.strerror or error}"
        return ToolChunk.text(message, state="error")

    async def carry_out(self, *args: Any, **kwargs: Any) -> ToolChunk:
        raise NotImplementedError

    async def judge(self, context: PermissionContext) -> PathJudge:
        return await PathJudge.of(self.backend, context, self.sensitivity)

    async def find(self, path: str) -> FileStat | None:
        """The file, None when there is none. Raises Refused for what is no file."""
        stat = await self.backend.stat(path)
        if stat is None or stat.kind == "file":
            return stat
        if stat.kind == "directory":
            raise Refused(f"{self.shown(stat.path)} is a directory. Use Glob to see what is in it.")
        raise Refused(f"{self.shown(stat.path)} is no regular file.")

    def shown(self, path: str) -> str:
        return shown(path, self.backend.root)


class WritingTool(FileTool):
    """One that puts a file in place: the file must be as it was when the agent last read it."""

    is_state_injected = True

    async def check_permissions(self, tool_input: dict[str, Any], context: PermissionContext) -> PathExamination:
        judge = await self.judge(context)
        place = await judge.place(tool_input["file_path"])
        return examine_write(place, await judge.globs(self.name, context), context.mode)

    def require_read(self, state: AgentState, stat: FileStat) -> None:
        """Raises Refused."""
        stamp = read_stamp(state, stat.path)
        if stamp is None:
            raise Refused(f"{self.shown(stat.path)} has not been read yet. Read it first.")
        if stamp != stat.stamp:
            raise Refused(f"{self.shown(stat.path)} has changed since it was read. Read it again.")


def read_stamp(state: AgentState, path: str) -> str | None:
    """The stamp that a file had when it was last read or written."""
    return next((each.stamp for each in state.tool_context.read_file_cache if each.file_path == path), None)


def remember(state: AgentState, stat: FileStat) -> None:
    """The file as read; the longest unused are forgotten."""
    context = state.tool_context
    others = [each for each in context.read_file_cache if each.file_path != stat.path]
    known = [*others, ReadFile(file_path=stat.path, stamp=stat.stamp)]
    state.tool_context = replace(context, read_file_cache=known[max(0, len(known) - context.max_cache_files) :])
