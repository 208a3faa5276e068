"""Bash: a command in the workspace, its output as it comes."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from agentsvc.agent.backend import BackendBase, Exit
from agentsvc.agent.permissions import Examination
from agentsvc.agent.tool import ToolBase, ToolChunk
from agentsvc.domain.permissions import PermissionContext
from agentsvc.tools.output import CappedText
from agentsvc.tools.paths import Sensitivity
from agentsvc.tools.shell.examine import environment_of, examine

_MOST_CHARACTERS = 30_000
_TIMEOUT_MS = 120_000
_LONGEST_MS = 600_000

# The command is an argument, never a part of this text, and never taken for an option.
_SHELL = 'command -v bash >/dev/null 2>&1 && exec bash -c -- "$1" bash; exec sh -c -- "$1" sh'

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "command": {"type": "string", "minLength": 1},
        "description": {"type": "string", "description": "What it does, in a few words"},
        "timeout": {
            "type": "integer",
            "minimum": 1,
            "maximum": _LONGEST_MS,
            "description": f"Milliseconds, {_TIMEOUT_MS} if left out",
        },
    },
    "required": ["command"],
}


class Bash(ToolBase):
    name = "Bash"
    description = (
        "Runs a command with bash -c (sh -c where there is no bash), each time anew in the workspace: directory and "
        f"variables do not stay. Nothing is typed in. Output after {_MOST_CHARACTERS} characters is left out; what "
        "still runs at the end is killed."
    )
    input_schema = _SCHEMA

    def __init__(self, backend: BackendBase, *, sensitivity: Sensitivity | None = None) -> None:
        self.backend = backend
        self.sensitivity = sensitivity or Sensitivity()

    async def check_permissions(self, tool_input: dict[str, Any], context: PermissionContext) -> Examination:
        return await examine(tool_input["command"], self.backend, context, self.sensitivity)

    async def call(
        self,
        *,
        command: str,
        timeout: int = _TIMEOUT_MS,  # noqa: ASYNC109 - milliseconds, and the model's word for it
        **_: Any,
    ) -> AsyncGenerator[ToolChunk]:
        written = CappedText(_MOST_CHARACTERS)
        ended = Exit(code=0)
        last = "\n"
        argv = ["sh", "-c", _SHELL, "sh", command]
        async with aclosing(self.backend.exec(argv, env=environment_of(command), timeout_s=timeout / 1_000)) as outputs:
            async for output in outputs:
                if isinstance(output, Exit):
                    ended = output
                elif text := written.add(output):
                    last = text
                    yield ToolChunk.text(text)
        rest = written.end()
        yield _closing(rest + ("" if (last + rest).endswith("\n") else "\n"), written.omitted, ended, timeout)


def _closing(text: str, omitted: int, ended: Exit, timeout: int) -> ToolChunk:
    """What is said after the output: what was left out, and how it ended."""
    lines = [f"({omitted} more characters are left out.)"] if omitted else []
    if ended.timed_out:
        lines.append(f"(It was stopped after {timeout} ms.)")
    lines.append(f"(exit code {ended.code})")
    return ToolChunk(
        content=ToolChunk.text(text + "\n".join(lines)).content,
        state="error" if ended.timed_out or ended.code != 0 else "running",
        metadata={"exit_code": ended.code, "timed_out": ended.timed_out},
    )
