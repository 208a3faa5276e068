"""What the paths of a script are, found out before it is judged."""

import fnmatch
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec.structs import replace

from agentsvc.agent.backend import BackendBase
from agentsvc.tools.paths import PathJudge, Place
from agentsvc.tools.shell.below import secrets_below
from agentsvc.tools.shell.repository import is_plain
from agentsvc.tools.shell.script import PathUse

MAX_MATCHES = 500
MAX_PLACES = 1_000

# What these lead to depends on the process that follows them, or is what all files lie on.
_UNCANNY = re.compile(
    r"(?:^|/)proc/[^/]+/(?:task/[^/]+/)?(?:environ|root|cwd|fd|exe|mem|maps|map_files|cmdline)(?:/|$)"
    r"|^/dev/(?!(?:null|zero|full|random|urandom|stdin|stdout|stderr|tty)$|shm/)."
)
_MAGIC = frozenset("*?[")


Facts = Mapping[PathUse, tuple[Place, ...]]
"""A pattern stands for several places. A use that is missing is not known, and is asked about."""


async def survey(uses: Sequence[PathUse], backend: BackendBase, judge: PathJudge, home: str | None = None) -> Facts:
    """Judge every path where the script will find it. ``home`` is that of the programs the backend runs, if known."""
    facts: dict[PathUse, tuple[Place, ...]] = {}
    seen = 0
    for use in uses:
        found = await _found(use, backend, judge, home) if seen <= MAX_PLACES else ()
        seen += len(found)
        if found:
            facts[use] = found
    return facts


async def _found(use: PathUse, backend: BackendBase, judge: PathJudge, home: str | None) -> tuple[Place, ...]:
    """Empty where it is not known what the use means."""
    try:
        if use.role == "repository":
            return (await judge.place(use.path),) if await is_plain(backend) else ()
        named = await _named(use, backend, home)
        found = [await _place(path, judge) for path in named]
        if use.role in ("tree", "visible") and not any(place.secret for place in found):
            found += [secret for place in found for secret in await _below(place, use.role, backend, judge)]
    except (OSError, ValueError):
        # A name that is too long, or that no file can have.
        return ()
    guessed = use.path.startswith("~") and (home is None or use.path[1:2] not in ("", "/"))
    known = not guessed or any(place.secret or place.dangerous for place in found)
    return tuple(found) if known else ()


async def _place(path: str, judge: PathJudge) -> Place:
    place = await judge.place(path)
    uncanny = _UNCANNY.search(place.named) or _UNCANNY.search(place.real)
    return replace(place, secret=True) if uncanny else place


async def _below(place: Place, role: Literal["tree", "visible"], backend: BackendBase, judge: PathJudge) -> list[Place]:
    """A place that is not inside is asked about anyway."""
    stat = await backend.stat(place.real) if place.inside else None
    return await secrets_below(stat.path, role, backend, judge) if stat and stat.kind == "directory" else []


async def _named(use: PathUse, backend: BackendBase, home: str | None) -> list[str]:
    """The paths that a use means: for somebody's unknown home a likely place. Empty where only the shell will know."""
    path = use.path
    if path.startswith("~"):
        user, _, rest = path[1:].partition("/")
        path = posixpath.join(home if home and not user else f"/home/{user or '~'}", rest)
    return await _matching(path, backend) if use.pattern else [path]


async def _matching(pattern: str, backend: BackendBase) -> list[str]:
    """Names as the shell would find them, and some that are not there; where it finds none it leaves the pattern.

    Empty when there are too many of them, and when one looks like an option. Raises OSError.
    """
    first, *segments = pattern.split("/")
    found = [first] if _MAGIC.isdisjoint(first) else await _names("", first, backend)
    for segment in segments:
        if _MAGIC.isdisjoint(segment):
            found = [f"{each}/{segment}" for each in found]
        else:
            found = [name for each in found for name in await _names(f"{each}/", segment, backend)]
        if len(found) > MAX_MATCHES:
            return []
    return [] if any(name.startswith("-") for name in found) else found or [pattern]


async def _names(prefix: str, pattern: str, backend: BackendBase) -> list[str]:
    try:
        names = [posixpath.basename(each.path) for each in await backend.list(prefix or ".")]
    except (FileNotFoundError, NotADirectoryError):
        return []
    # What brackets mean depends on the locale of the shell.
    pattern = pattern.partition("[")[0] + "*" if "[" in pattern else pattern
    hidden = pattern.startswith(".")
    return [
        prefix + name for name in names if fnmatch.fnmatchcase(name, pattern) and (hidden or not name.startswith("."))
    ]
