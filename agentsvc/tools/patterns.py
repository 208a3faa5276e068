"""Glob patterns over paths: ``*`` and ``?`` stay inside a segment, ``**`` crosses segments, classes and braces work."""

import math
import re
import time

import regex
from wcmatch import glob

_FLAGS = glob.GLOBSTAR | glob.BRACE | glob.DOTGLOB | glob.FORCEUNIX
_MAGIC = frozenset("*?[{\\")
_ESCAPED = re.compile(r"[*?\[\]{}\\]")
_PATTERNS = 1_000  # what all braces together may expand to
_CHARACTERS = 100_000  # of all that: to compile it takes time and memory that grow with them
MATCHING_SECONDS = 5.0
"""What a search may spend on a pattern that a model gives: it holds up everybody else meanwhile."""

_SECONDS = 0.25  # for one path; a pattern with many stars can take for ever


class BadPattern(ValueError):
    """The pattern is malformed, expands to too much or takes too long."""


class PathPattern:
    """What any of some globs means. Hidden names are names like others. Raises BadPattern."""

    def __init__(self, *globs: str, ignore_case: bool = False, seconds: float = math.inf) -> None:
        """``seconds`` is what all matching together may take."""
        self._left = seconds
        most = min(_PATTERNS, _CHARACTERS // max((len(each) for each in globs if each), default=1))
        if not most:
            raise BadPattern("the pattern is too long")
        flags = _FLAGS | (glob.IGNORECASE if ignore_case else 0)
        try:
            wanted, _ = glob.translate([each for each in globs if each], flags=flags, limit=most)
            self._compiled = regex.compile("|".join(f"(?:{each})" for each in wanted) or "(?!)", regex.VERSION0)
        except Exception as error:  # the library's own errors are private to it
            raise BadPattern(f"the pattern {' '.join(globs)!r} cannot be used: {error}") from error

    def matches(self, path: str) -> bool:
        return self._match(path, partial=False)

    def reaches_below(self, directory: str) -> bool:
        """Whether something in the directory, at any depth, may match."""
        return self._match(directory.rstrip("/") + "/", partial=True)

    def _match(self, path: str, *, partial: bool) -> bool:
        if self._left <= 0:
            raise BadPattern("the pattern takes too long to match")
        began = time.monotonic()
        try:
            return self._compiled.fullmatch(path, partial=partial, timeout=min(_SECONDS, self._left)) is not None
        except TimeoutError as error:
            raise BadPattern("the pattern takes too long to match") from error
        finally:
            self._left -= time.monotonic() - began


def split_glob(pattern: str) -> tuple[str, str]:
    """The leading segments that are plain names, and the pattern that is left."""
    segments = pattern.split("/")
    plain = 0
    while plain < len(segments) and not _MAGIC & set(segments[plain]):
        plain += 1
    prefix = "/".join(segments[:plain])
    return (prefix or "/") if pattern.startswith("/") else prefix, "/".join(segments[plain:])


def literal(path: str) -> str:
    """The glob that means exactly this path."""
    return _ESCAPED.sub(r"\\\g<0>", path)
