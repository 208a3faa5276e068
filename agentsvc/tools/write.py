"""Write: a whole file."""

import asyncio
from typing import Any

from agentsvc.agent.tool import ToolChunk
from agentsvc.domain.states import AgentState
from agentsvc.tools.diffs import diff
from agentsvc.tools.files import LARGEST, PATH_SCHEMA, WritingTool, remember

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "file_path": {**PATH_SCHEMA, "description": "Absolute, or relative to the workspace"},
        "content": {"type": "string", "description": "The whole new text"},
    },
    "required": ["file_path", "content"],
}


class Write(WritingTool):
    name = "Write"
    description = "Writes a whole file and makes its directories. A file that exists must have been read before."
    input_schema = _SCHEMA

    async def carry_out(self, *, file_path: str, content: str, _agent_state: AgentState) -> ToolChunk:
        data = content.encode()
        there = await self.find(file_path)
        before: bytes | None = None
        if there is not None:
            self.require_read(_agent_state, there)
            before = (await self.backend.read(file_path, limit=LARGEST)).data
        written = await self.backend.write(
            file_path, data, expected=None if there is None else there.stamp, create=there is None
        )
        remember(_agent_state, written)
        path = self.shown(written.path)
        lines = len(content.splitlines())
        changes = await asyncio.to_thread(diff, path, before, data)
        return ToolChunk(
            content=ToolChunk.text(f"{'Created' if there is None else 'Wrote'} {path} ({lines} lines).").content,
            metadata={"diff": changes, "file_path": written.path, "occurrences": 1},
        )
