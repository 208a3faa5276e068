"""What the paths of a script are, found out before it is judged."""

import fnmatch
import posixpath
import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from agentsvc.agent.backend import BackendBase
from agentsvc.tools.paths import PathJudge, Place
from agentsvc.tools.sensitive import SECRET
from agentsvc.tools.shell.script import PathUse, Role

MAX_MATCHES = 200
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
        named = await _named(use, backend, home)
        found = [await _place(path, judge) for path in named]
        if use.role in ("tree", "visible"):
            found += [secret for path in named for secret in await _secrets(path, use.role, backend, judge)]
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


async def _secrets(directory: str, role: Role, backend: BackendBase, judge: PathJudge) -> list[Place]:
    """What is secret right in a directory. Deeper down nothing is looked at: that would be a search of its own."""
    try:
        names = [posixpath.basename(each.path) for each in await backend.list(directory)]
    except OSError:
        return []
    seen = [name for name in names if role == "tree" or not name.startswith(".")]
    suspects = [name for name in seen if SECRET.hold(f"/{name}")]
    return [place for name in suspects if (place := await judge.place(posixpath.join(directory, name))).secret]


async def _named(use: PathUse, backend: BackendBase, home: str | None) -> list[str]:
    """The paths that a use means: for somebody's unknown home a likely place. Empty where only the shell will know."""
    path = use.path
    if path.startswith("~"):
        user, _, rest = path[1:].partition("/")
        path = posixpath.join(home if home and not user else f"/home/{user or '~'}", rest)
    return await _matching(path, backend) if use.pattern else [path]


async def _matching(pattern: str, backend: BackendBase) -> list[str]:
    """Names in one directory, as the shell would find them; where it finds none it leaves the pattern as it is.

    Empty when there are too many of them, and when one looks like an option. Raises OSError.
    """
    directory, _, last = pattern.rpartition("/")
    if not _MAGIC.isdisjoint(directory):
        return []
    prefix = f"{directory}/" if "/" in pattern else ""
    try:
        names = [posixpath.basename(each.path) for each in await backend.list(prefix or ".")]
    except (FileNotFoundError, NotADirectoryError):
        return [pattern]
    # What brackets mean depends on the locale of the shell.
    last = last.partition("[")[0] + "*" if "[" in last else last
    hidden = last.startswith(".")
    found = [name for name in names if fnmatch.fnmatchcase(name, last) and (hidden or not name.startswith("."))]
    if len(found) > MAX_MATCHES or any((prefix + name).startswith("-") for name in found):
        return []
    return [prefix + name for name in found] or [pattern]
