"""The judge of paths: where a path that a model gives really leads, and what the rules say of that place."""

import posixpath
from collections.abc import Iterable, Mapping

from msgspec import Struct

from agentsvc.agent.backend import BackendBase
from agentsvc.domain.permissions import PermissionContext, PermissionRule
from agentsvc.tools.patterns import literal, split_glob
from agentsvc.tools.sensitive import DANGEROUS, SECRET, SensitivePaths


class Place(Struct, frozen=True, kw_only=True):
    """A path, judged: ``named`` is as it was given, absolute and without dots; ``real`` is what using it touches.

    ``inside``: in a working directory. ``dangerous``: writing there may make another program run something, or spoils
    a secret. ``secret``: reading there tells one.
    """

    named: str
    real: str
    inside: bool
    dangerous: bool
    secret: bool


class RuleGlobs(Struct, frozen=True):
    """What the contents of rules mean as globs over absolute paths: to a deny or ask rule, and to an allow rule."""

    touching: Mapping[str, tuple[str, ...]] = {}
    covering: Mapping[str, str] = {}


class Sensitivity(Struct, frozen=True):
    """What is dangerous to write and what is secret to read; to write what is secret is dangerous too."""

    dangerous: SensitivePaths = DANGEROUS
    secret: SensitivePaths = SECRET


class PathJudge:
    """Judges paths for one permission context. Every path is resolved by the backend, never on this host."""

    def __init__(self, backend: BackendBase, directories: Mapping[str, str], sensitivity: Sensitivity) -> None:
        self._backend = backend
        self._directories = directories
        self._sensitivity = sensitivity

    @classmethod
    async def of(
        cls, backend: BackendBase, context: PermissionContext, sensitivity: Sensitivity | None = None
    ) -> "PathJudge":
        """A working directory named below another one counts for nothing: an agent may have put a link there."""
        named = {backend.root: backend.root}
        for directory in sorted(normal(each, backend.root) for each in context.working_directories):
            if not is_below(directory, named):
                named[directory] = await backend.resolve(directory)
        return cls(backend, named, sensitivity or Sensitivity())

    async def place(self, path: str, *, base: str | None = None) -> Place:
        """``base`` is what a relative path is relative to, the root unless given."""
        start = base or self._backend.root
        named = normal(path, start)
        real = await self._backend.resolve(posixpath.join(start, path))
        secret = self._holds(self._sensitivity.secret, named, real)
        return Place(
            named=named,
            real=real,
            inside=is_below(real, self._directories.values()),
            dangerous=secret or self._holds(self._sensitivity.dangerous, named, real),
            secret=secret,
        )

    def may_be_secret(self, named: str) -> bool:
        """What the name alone says of an absolute path without dots."""
        return self._sensitivity.secret.hold(named)

    async def globs(self, tool_name: str, context: PermissionContext) -> RuleGlobs:
        """Of all rules for one tool. A relative glob is relative to the root."""
        return RuleGlobs(
            {
                content: await self._touching(content)
                for rules in (context.deny_rules, context.ask_rules)
                for content in _contents(rules, tool_name)
            },
            {content: await self._covering(content) for content in _contents(context.allow_rules, tool_name)},
        )

    @staticmethod
    def _holds(paths: SensitivePaths, named: str, real: str) -> bool:
        return paths.hold(real) or (named != real and paths.hold(named))

    async def _touching(self, content: str) -> tuple[str, ...]:
        """As it is written, and with links followed. A place without wildcards is also all that is below it."""
        prefix, rest = split_glob(content)
        named = normal(prefix, self._backend.root)
        real = await self._backend.resolve(named)
        globs = [_joined(start, rest) for start in sorted({named, real})]
        return tuple(globs if rest else [each for glob in globs for each in (glob, _joined(glob, "**"))])

    async def _covering(self, content: str) -> str:
        """Links are followed, except below a working directory: there an agent may have put them after the rule."""
        prefix, rest = split_glob(content)
        named = normal(prefix, self._backend.root)
        for directory, real in self._directories.items():
            if is_below(named, (directory,)):
                return _joined(posixpath.join(real, named[len(directory) :].lstrip("/")).rstrip("/") or "/", rest)
        return _joined(await self._backend.resolve(named), rest)


def normal(path: str, base: str) -> str:
    """Absolute, without dots and doubled slashes. Nothing is looked up."""
    return "/" + posixpath.normpath(posixpath.join(base, path)).lstrip("/")


def is_below(path: str, directories: Iterable[str]) -> bool:
    """Whether a normalised path is one of the directories or in one."""
    return any(path == each or path.startswith(each.rstrip("/") + "/") for each in directories)


def shown(path: str, root: str) -> str:
    """A path as the model is told of it: relative to the root where it is inside, which it may also give."""
    return posixpath.relpath(path, root) if is_below(path, (root,)) else path


def _joined(start: str, rest: str) -> str:
    return posixpath.join(literal(start), rest) if rest else literal(start)


def _contents(rules: Mapping[str, list[PermissionRule]], tool_name: str) -> set[str]:
    return {rule.rule_content for rule in rules.get(tool_name, ()) if rule.rule_content}
