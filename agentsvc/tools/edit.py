"""Edit: one piece of a file for another, byte by byte. What is not replaced stays as it is."""

import asyncio
from typing import Any

from agentsvc.agent.backend import Changed, FileData
from agentsvc.agent.tool import ToolChunk
from agentsvc.domain.states import AgentState
from agentsvc.tools.diffs import diff
from agentsvc.tools.files import LARGEST, PATH_SCHEMA, Refused, WritingTool, remember
from agentsvc.tools.replacements import MOST, Found, hint

_LINES_SHOWN = 10

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "file_path": {**PATH_SCHEMA, "description": "Absolute, or relative to the workspace"},
        "old_string": {"type": "string", "description": "Exact text, without line numbers"},
        "new_string": {"type": "string", "description": "What takes its place"},
        "replace_all": {"type": "boolean", "description": "Every occurrence; else there must be just one"},
    },
    "required": ["file_path", "old_string", "new_string"],
}


class Edit(WritingTool):
    name = "Edit"
    description = "Replaces text in a file that was read before. Line ends, encoding and mode of the file stay."
    input_schema = _SCHEMA

    async def carry_out(
        self,
        *,
        file_path: str,
        old_string: str,
        new_string: str,
        _agent_state: AgentState,
        replace_all: bool = False,
    ) -> ToolChunk:
        if not old_string:
            raise Refused("old_string is empty. Use Write to make a file.")
        if old_string == new_string:
            raise Refused("old_string and new_string are the same.")
        file = await self._read(file_path, _agent_state)
        path = self.shown(file.stat.path)
        found = await asyncio.to_thread(Found.of, file.data, old_string)
        _require_one(found, path, old_string, replace_all=replace_all)
        data = found.replaced(new_string)
        written = await self.backend.write(file_path, data, expected=file.stat.stamp, create=False)
        remember(_agent_state, written)
        changes = await asyncio.to_thread(diff, path, file.data, data)
        return ToolChunk(
            content=ToolChunk.text(f"Edited {path}: {found.count} replaced.").content,
            metadata={"diff": changes, "file_path": written.path, "occurrences": found.count},
        )

    async def _read(self, path: str, state: AgentState) -> FileData:
        there = await self.find(path)
        if there is None:
            raise Refused(f"{path} does not exist.")
        self.require_read(state, there)
        if there.size > LARGEST:
            raise Refused(f"{path} has {there.size} bytes; at most {LARGEST} can be edited.")
        file = await self.backend.read(path)
        if file.stat.stamp != there.stamp:
            raise Changed(path)
        return file


def _require_one(found: Found, path: str, old: str, *, replace_all: bool) -> None:
    if not found.count:
        raise Refused(f"old_string is not in {path}. {hint(found.data, old)}")
    if found.count > MOST:
        raise Refused(f"old_string is in {path} more than {MOST} times, which is too often. Give a longer one.")
    if found.count > 1 and not replace_all:
        lines = ", ".join(map(str, found.lines(_LINES_SHOWN)))
        raise Refused(
            f"old_string is in {path} {found.count} times, from lines {lines}. "
            "Give more of the text around it, or set replace_all."
        )
