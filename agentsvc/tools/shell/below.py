"""The secrets that lie below a directory, for commands that read all of it."""

import fnmatch
import posixpath
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Literal

from agentsvc.agent.backend import BackendBase, FileStat
from agentsvc.tools.paths import PathJudge, Place
from agentsvc.tools.walk import VERSION_CONTROL, Walk

MAX_ENTRIES = 20_000
MAX_SECONDS = 2.0
MAX_LINKS = 1_000
MAX_IGNORE_FILES = 50

_IGNORE_FILES = frozenset({".gitignore", ".ignore", ".rgignore"})
_MOST_OF_ONE = 64 * 1024  # bytes


class TooMuch(OSError):
    """There is more than may be looked at."""


async def secrets_below(
    start: str, role: Literal["tree", "visible"], backend: BackendBase, judge: PathJudge
) -> list[Place]:
    """One is enough to ask. Raises OSError, of which TooMuch is one.

    What version control keeps is not looked at. Hidden files are visible where an ignore file takes them out again.
    """
    hidden: list[Place] = []
    ignoring: list[str] = []
    links = 0
    async with aclosing(_files(start, backend)) as files:
        async for file in files:
            if posixpath.basename(file.path) in _IGNORE_FILES:
                ignoring.append(file.path)
            links += (is_followed := role == "tree" and file.kind == "symlink")
            if links > MAX_LINKS:
                raise TooMuch
            if not is_followed and not judge.may_be_secret(file.path):
                continue
            place = await judge.place(file.path)
            if place.secret and (role == "tree" or not _hidden(file.path, start)):
                return [place]
            hidden += [place] if place.secret else []
    names = {name for place in hidden for name in _hidden(place.named, start)}
    return hidden if names and await _takes_out(names, [*_above(start, backend.root), *ignoring], backend) else []


async def _files(start: str, backend: BackendBase) -> AsyncGenerator[FileStat]:
    walk = Walk(
        backend,
        lambda directory: posixpath.basename(directory) not in VERSION_CONTROL,
        entries=MAX_ENTRIES,
        seconds=MAX_SECONDS,
    )
    async with aclosing(walk.files(start)) as files:
        async for file in files:
            yield file
    if walk.cut:
        raise TooMuch


def _hidden(path: str, start: str) -> list[str]:
    """The hidden names that lead from one directory to a place below it."""
    return [name for name in path.removeprefix(start).split("/") if name.startswith(".")]


def _above(start: str, root: str) -> list[str]:
    """The ignore files that may lie between the root and a directory, and the repository's own."""
    inner = start.removeprefix(root).strip("/").split("/")
    directories = [posixpath.join(root, *inner[:depth]) for depth in range(len(inner) + 1)]
    return [
        *(posixpath.join(each, name) for each in directories for name in _IGNORE_FILES),
        f"{root}/.git/info/exclude",
    ]


async def _takes_out(names: set[str], paths: Sequence[str], backend: BackendBase) -> bool:
    """Whether an ignore file says of one of the names that it is not ignored after all, which also means not hidden."""
    if len(paths) > MAX_IGNORE_FILES:
        raise TooMuch
    for path in paths:
        if await backend.stat(path) is None:
            continue
        data = (await backend.read(path, limit=_MOST_OF_ONE + 1)).data
        if len(data) > _MOST_OF_ONE:
            raise TooMuch
        kept = [line.strip()[1:] for line in data.decode("utf-8", "replace").splitlines() if line.startswith("!")]
        if any(
            "\\" in line or fnmatch.fnmatch(name, line.rstrip("/").rpartition("/")[2])
            for line in kept
            for name in names
        ):
            return True
    return False
