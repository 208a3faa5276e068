"""Grep: what is in files, by ripgrep where the workspace has it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import msgspec

from agentsvc.agent.tool import ToolChunk
from agentsvc.domain.permissions import PermissionContext
from agentsvc.tools.examinations import PathExamination, examine_read
from agentsvc.tools.files import PATH_SCHEMA, FileTool, Refused
from agentsvc.tools.queries import GAP, Query, Row
from agentsvc.tools.ripgrep import NoRipgrep, ripgrep
from agentsvc.tools.search import search

_MOST = 10_000  # rows when all are wanted
_COUNT = {"type": "integer", "minimum": 0, "maximum": 1_000}
_TEXT = {"type": "string"}
_SWITCH = {"type": "boolean"}

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "pattern": {**PATH_SCHEMA, "description": "Regular expression"},
        "path": {**PATH_SCHEMA, "description": "File or directory; the workspace if left out"},
        "output_mode": {"type": "string", "enum": ["content", "files_with_matches", "count"]},
        "glob": {**_TEXT, "description": "Only files such as *.py"},
        "type": {**_TEXT, "description": "Only files of a kind such as py, js, rust"},
        "-A": {**_COUNT, "description": "Lines after a match"},
        "-B": {**_COUNT, "description": "Lines before"},
        "-C": {**_COUNT, "description": "Lines around"},
        "context": {**_COUNT, "description": "Same as -C"},
        "n": {**_SWITCH, "description": "Line numbers, on unless false"},
        "i": {**_SWITCH, "description": "Ignore case"},
        "case_insensitive": {**_SWITCH, "description": "Same as i"},
        "multiline": {**_SWITCH, "description": "Match across lines; . is also a line end"},
        "head_limit": {"type": "integer", "minimum": 0, "description": "How many results, 250 if left out; 0: all"},
        "offset": {"type": "integer", "minimum": 0, "description": "Results to skip"},
    },
    "required": ["pattern"],
}


class Grep(FileTool):
    name = "Grep"
    description = (
        "Searches text files. Gives names of files unless output_mode says otherwise. Files that usually hold secrets, "
        "such as .env, are left out unless path names them."
    )
    input_schema = _SCHEMA
    is_read_only = True
    is_concurrency_safe = True
    idempotent = True

    async def check_permissions(self, tool_input: dict[str, Any], context: PermissionContext) -> PathExamination:
        judge = await self.judge(context)
        place = await judge.place(tool_input.get("path", "."))
        return examine_read(place, await judge.globs(self.name, context), tree=True)

    async def carry_out(self, **arguments: Any) -> ToolChunk:
        query = msgspec.convert(arguments, Query)
        most = min(query.head_limit or _MOST, _MOST)
        lines: list[str] = []
        skipped = 0
        async with aclosing(self._rows(query)) as rows:
            async for row in rows:
                if skipped < query.offset:
                    skipped += 1
                elif len(lines) == most:
                    lines.append(f"(There is more: go on with offset {query.offset + most}.)")
                    break
                else:
                    lines.append(self._line(row, query))
        return ToolChunk.text("\n".join(lines) or _nothing(query))

    async def _rows(self, query: Query) -> AsyncGenerator[Row]:
        """Without those of secrets, unless the query names a secret place: then it was asked about."""
        start = await self.backend.resolve(query.path)
        if await self.backend.stat(start) is None:
            raise Refused(f"{query.path} does not exist.")
        secret = self.sensitivity.secret
        everything = secret.hold(start)
        async with aclosing(self._found(query, start)) as rows:
            async for row in rows:
                if everything or row is GAP or not secret.hold(row.path):
                    yield row

    async def _found(self, query: Query, start: str) -> AsyncGenerator[Row]:
        try:
            async with aclosing(ripgrep(self.backend, query, start)) as rows:
                async for row in rows:
                    yield row
            return
        except NoRipgrep:
            pass
        async with aclosing(search(self.backend, query, start)) as rows:
            async for row in rows:
                yield row

    def _line(self, row: Row, query: Query) -> str:
        if row is GAP:
            return "--"
        path = self.shown(row.path)
        match query.output_mode:
            case "files_with_matches":
                return path
            case "count":
                return f"{path}:{row.number}"
            case "content":
                number = f"{row.number}{row.mark}" if query.n else ""
                return f"{path}{row.mark}{number}{row.text}"


def _nothing(query: Query) -> str:
    return "No more results." if query.offset else "No matches found."
