"""Calls of tools, and what the engine makes of them."""

from collections.abc import AsyncIterator
from typing import Any

from agentsvc.agent.backend import FileData
from agentsvc.agent.permissions import Decision, decide
from agentsvc.agent.tool import ToolBase, ToolChunk
from agentsvc.domain.messages import TextBlock
from agentsvc.domain.permissions import (
    PermissionBehavior,
    PermissionContext,
    PermissionMode,
    PermissionRule,
    WorkingDirectory,
)
from agentsvc.workspaces.local import LocalBackend


async def run(tool: ToolBase, **arguments: Any) -> ToolChunk:
    """All that a call gives, as one chunk."""
    answer = tool.call(**arguments)
    chunks = [chunk async for chunk in answer] if isinstance(answer, AsyncIterator) else [await answer]
    return ToolChunk(
        content=[block for chunk in chunks for block in chunk.content],
        state="error" if any(chunk.state == "error" for chunk in chunks) else "success",
        metadata={key: value for chunk in chunks for key, value in chunk.metadata.items()},
    )


def text(chunk: ToolChunk) -> str:
    return "".join(block.text for block in chunk.content if isinstance(block, TextBlock))


async def refusal(tool: ToolBase, **arguments: Any) -> str:
    """The words of a call that must fail."""
    chunk = await run(tool, **arguments)
    assert chunk.state == "error", text(chunk)
    return text(chunk)


async def judged(tool: ToolBase, context: PermissionContext | None = None, **arguments: Any) -> Decision:
    context = context or PermissionContext()
    return decide(tool.name, await tool.check_permissions(arguments, context), context)


def rules(
    tool_name: str,
    *,
    allow: str = "",
    deny: str = "",
    ask: str = "",
    mode: PermissionMode = "default",
    directories: tuple[str, ...] = (),
) -> PermissionContext:
    def filed(behavior: PermissionBehavior, content: str) -> dict[str, list[PermissionRule]]:
        rule = PermissionRule(tool_name=tool_name, rule_content=content, behavior=behavior, source="test")
        return {tool_name: [rule]} if content else {}

    return PermissionContext(
        mode=mode,
        working_directories={each: WorkingDirectory(path=each, source="test") for each in directories},
        allow_rules=filed("allow", allow),
        deny_rules=filed("deny", deny),
        ask_rules=filed("ask", ask),
    )


class CountingBackend(LocalBackend):
    """Says how many bytes were read."""

    amount = 0

    async def read(self, path: str, *, offset: int = 0, limit: int | None = None) -> FileData:
        found = await super().read(path, offset=offset, limit=limit)
        self.amount += len(found.data)
        return found
