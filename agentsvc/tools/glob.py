"""Glob: the names of files."""

import posixpath
from contextlib import aclosing
from typing import Any

from msgspec import Struct

from agentsvc.agent.backend import FileStat
from agentsvc.agent.tool import ToolChunk
from agentsvc.domain.permissions import PermissionContext
from agentsvc.tools.examinations import PathExamination, examine_read
from agentsvc.tools.files import PATH_SCHEMA, FileTool, Refused
from agentsvc.tools.patterns import MATCHING_SECONDS, PathPattern, literal, split_glob
from agentsvc.tools.walk import LEFT_OUT, Walk, is_left_out

_MOST = 500

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "pattern": {**PATH_SCHEMA, "description": "Such as src/**/*.{ts,tsx}; * stays inside a directory"},
        "path": {**PATH_SCHEMA, "description": "Where to look; the workspace if left out"},
    },
    "required": ["pattern"],
}


class _Search(Struct, frozen=True):
    """Where a walk begins, and the pattern over paths relative to it."""

    start: str
    pattern: str

    @classmethod
    def of(cls, pattern: str, path: str) -> "_Search":
        prefix, rest = split_glob(pattern)
        if not rest:
            prefix, name = posixpath.split(prefix)
            rest = literal(name)
        return cls(posixpath.join(path, prefix).rstrip("/") or "/", rest)

    @property
    def names_left_out(self) -> bool:
        return not LEFT_OUT.isdisjoint([*self.start.split("/"), *self.pattern.split("/")])


class Glob(FileTool):
    name = "Glob"
    description = f"Lists files by name, hidden ones too, newest first, at most {_MOST}."
    input_schema = _SCHEMA
    is_read_only = True
    is_concurrency_safe = True
    idempotent = True

    async def check_permissions(self, tool_input: dict[str, Any], context: PermissionContext) -> PathExamination:
        judge = await self.judge(context)
        search = _Search.of(tool_input["pattern"], tool_input.get("path", "."))
        return examine_read(await judge.place(search.start), await judge.globs(self.name, context), tree=True)

    async def carry_out(self, *, pattern: str, path: str = ".") -> ToolChunk:
        search = _Search.of(pattern, path)
        found, cut = await self._found(search)
        found.sort(key=lambda file: (-file.mtime, file.path))
        lines = [self.shown(file.path) for file in found[:_MOST]] or ["No files found."]
        if len(found) > _MOST:
            lines.append(f"({len(found) - _MOST} older files are left out: narrow the pattern.)")
        if cut:
            lines.append("(There is too much to look through: only a part was searched.)")
        return ToolChunk.text("\n".join(lines))

    async def _found(self, search: _Search) -> tuple[list[FileStat], bool]:
        start = await self.backend.resolve(search.start)
        there = await self.backend.stat(start)
        if there is None or there.kind != "directory":
            raise Refused(f"{search.start} is no directory.")
        pattern = PathPattern(search.pattern, seconds=MATCHING_SECONDS)
        everything = search.names_left_out

        def enter(directory: str) -> bool:
            wanted = everything or not is_left_out(directory)
            return wanted and pattern.reaches_below(posixpath.relpath(directory, start))

        walk = Walk(self.backend, enter)
        async with aclosing(walk.files(start)) as files:
            found = [
                file
                async for file in files
                if pattern.matches(posixpath.relpath(file.path, start)) and await self._is_file(file)
            ]
        return found, walk.cut

    async def _is_file(self, entry: FileStat) -> bool:
        """A link counts when it leads to a file that may be touched."""
        if entry.kind != "symlink":
            return entry.kind == "file"
        try:
            target = await self.backend.stat(entry.path)
        except OSError:
            return False
        return target is not None and target.kind == "file"
