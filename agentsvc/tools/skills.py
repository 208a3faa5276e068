"""Skills in the files of a workspace."""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from posixpath import basename, dirname

from agentsvc.agent.backend import BackendBase, FileStat
from agentsvc.agent.frontmatter import MAX_SKILL_BYTES, SKILL_FILE, BadSkill, read_skill
from agentsvc.agent.skills import Skill, SkillLoaderBase

log = logging.getLogger(__name__)

_MAX_DIRECTORIES = 1_000
_OUT_OF_REACH = (FileNotFoundError, NotADirectoryError, PermissionError)


class BackendSkillLoader(SkillLoaderBase):
    """The skill in a directory of a backend, and with ``scan_subdir`` those in every directory below it.

    A file is read again only when its stamp has changed. One that is no skill is left out with a warning. Symbolic
    links are not followed, and hidden directories not searched.
    """

    def __init__(self, backend: BackendBase, directory: str, *, scan_subdir: bool = True) -> None:
        self._backend = backend
        self._directory = directory
        self._scan_subdir = scan_subdir
        self._known: dict[str, tuple[str, Skill | None]] = {}

    def __repr__(self) -> str:
        return f"<skills in {self._directory}>"

    async def list_skills(self) -> Sequence[Skill]:
        """In order of their paths. None when the directory is not there."""
        known: dict[str, tuple[str, Skill | None]] = {}
        async with aclosing(self._files()) as files:
            async for file in files:
                before = self._known.get(file.path)
                known[file.path] = before if before is not None and before[0] == file.stamp else await self._read(file)
        self._known = known
        return [skill for _, skill in known.values() if skill is not None]

    async def _files(self) -> AsyncGenerator[FileStat]:
        waiting = [self._directory]
        searched = 0
        while waiting and searched < _MAX_DIRECTORIES:
            entries = await self._entries(waiting.pop())
            searched += 1
            for entry in entries:
                if entry.kind == "file" and basename(entry.path) == SKILL_FILE:
                    yield entry
            if self._scan_subdir:
                waiting += [each.path for each in reversed(entries) if _is_searched(each)]
        if waiting:
            log.warning("only %d directories below %s are searched for skills", searched, self._directory)

    async def _entries(self, directory: str) -> Sequence[FileStat]:
        try:
            return await self._backend.list(directory)
        except _OUT_OF_REACH as error:
            if not isinstance(error, FileNotFoundError):
                log.warning("%s is not searched for skills: %s", directory, error)
            return ()

    async def _read(self, file: FileStat) -> tuple[str, Skill | None]:
        try:
            read = await self._backend.read(file.path, limit=MAX_SKILL_BYTES + 1)
            return read.stat.stamp, read_skill(read.data, dirname(file.path))
        except (BadSkill, *_OUT_OF_REACH) as error:
            log.warning("the skill %s is left out: %s", file.path, error)
            return file.stamp, None


def _is_searched(entry: FileStat) -> bool:
    return entry.kind == "directory" and not basename(entry.path).startswith(".")
