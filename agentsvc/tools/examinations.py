"""What a tool that reads or writes a path knows of a call, for the permission engine."""

import posixpath
from collections.abc import Sequence

from agentsvc.agent.permissions import Examination, Opinion
from agentsvc.domain.permissions import PermissionMode, Reason
from agentsvc.tools.paths import Place, RuleGlobs
from agentsvc.tools.patterns import BadPattern, PathPattern, literal

_TREE = "**"


class PathExamination(Examination):
    """Of a call that touches one place, or with ``tree`` all that is below it. Rules are globs over paths.

    An allow rule must mean the real place; a deny or ask rule may also mean the name that was given.
    """

    def __init__(
        self,
        place: Place,
        globs: RuleGlobs,
        *,
        tree: bool = False,
        read_only: bool = False,
        opinion: Opinion = "passthrough",
        reason: Reason | None = None,
    ) -> None:
        super().__init__(read_only=read_only, opinion=opinion, reason=reason)
        self._place = place
        self._globs = globs
        self._tree = tree

    def touched_by(self, content: str) -> bool:
        try:
            return self._touched(PathPattern(*self._globs.touching.get(content, (content,))))
        except BadPattern:
            return True

    def covered_by(self, contents: Sequence[str]) -> bool:
        return any(self._covered(self._globs.covering.get(content, content)) for content in contents)

    def suggestions(self) -> Sequence[str | None]:
        directory = self._place.real if self._tree else posixpath.dirname(self._place.real)
        return () if directory == "/" else (f"{literal(directory)}/{_TREE}",)

    def _touched(self, pattern: PathPattern) -> bool:
        return any(
            pattern.matches(path) or (self._tree and pattern.reaches_below(path))
            for path in {self._place.named, self._place.real}
        )

    def _covered(self, glob: str) -> bool:
        real = self._place.real
        above, _, last = glob.rpartition("/")
        try:
            if not self._tree:
                return PathPattern(glob).matches(real)
            return glob == literal(real) or (last == _TREE and PathPattern(glob, above or "/").matches(real))
        except BadPattern:
            return False


def examine_read(place: Place, globs: RuleGlobs, *, tree: bool = False) -> PathExamination:
    """Reading in a working directory changes nothing; secrets and what is elsewhere are asked about."""
    if place.secret:
        message = f"{place.real} may hold secrets."
        reason = Reason(code="secret_path", message=message, safety=True)
    elif not place.inside:
        reason = Reason(code="outside", message=f"{place.real} is in no working directory.")
    else:
        return PathExamination(place, globs, tree=tree, read_only=True)
    return PathExamination(place, globs, tree=tree, opinion="ask", reason=reason)


def examine_write(place: Place, globs: RuleGlobs, mode: PermissionMode) -> PathExamination:
    """A dangerous place is asked about whatever the rules say; a mode may allow the working directories."""
    if place.dangerous:
        message = f"Writing {place.real} can give other programs orders or spoil a secret."
        return PathExamination(
            place, globs, opinion="ask", reason=Reason(code="dangerous_path", message=message, safety=True)
        )
    if place.inside and mode in ("accept_edits", "dont_ask"):
        reason = Reason(code=mode, message=f"In {mode} mode files in working directories may be written.")
        return PathExamination(place, globs, opinion="allow", reason=reason)
    return PathExamination(place, globs, reason=Reason(code="write", message=f"It writes {place.real}."))
