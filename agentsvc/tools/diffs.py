"""Unified diffs of whole files, bounded in time and length."""

import re
from collections.abc import Iterator, Sequence
from difflib import unified_diff
from itertools import islice

_COMPARED = 2_000  # lines between the first and the last that differ; comparing may take the square of it
_CHARACTERS = 50_000  # a diff is stored with the result
_CONTEXT = 3
_RANGES = re.compile(r"@@ -(\d+)((?:,\d+)?) \+(\d+)")


def diff(path: str, before: bytes | None, after: bytes) -> str:
    """``before`` is None for a file that is new. What is not UTF-8 shows as U+FFFD."""
    old, new = _lines(before or b""), _lines(after)
    if old == new:
        return ""
    start = max(0, _alike(old, new) - _CONTEXT)
    tail = max(0, _alike(old[:start:-1], new[:start:-1]) - _CONTEXT)
    hunks = _hunks(old[start : len(old) - tail], new[start : len(new) - tail], start)
    header = ["--- /dev/null\n" if before is None else f"--- {path}\n", f"+++ {path}\n"]
    text = "".join([*header, *(_whole(line) for line in hunks)])
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}\n... the rest of the diff is left out\n"


def _lines(data: bytes) -> list[str]:
    lines = data.decode("utf-8", "replace").split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many lines are the same at the beginning."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _hunks(old: list[str], new: list[str], start: int) -> Iterator[str]:
    if max(len(old), len(new)) > _COMPARED:
        yield f"@@ -{start + 1},{len(old)} +{start + 1},{len(new)} @@\n"
        yield from (f"-{line}" for line in old)
        yield from (f"+{line}" for line in new)
        return
    for line in islice(unified_diff(old, new, n=_CONTEXT), 2, None):  # without the names of the files
        yield _RANGES.sub(lambda found: _moved(found, start), line, count=1) if line.startswith("@@") else line


def _moved(ranges: "re.Match[str]", lines: int) -> str:
    return f"@@ -{int(ranges[1]) + lines}{ranges[2]} +{int(ranges[3]) + lines}"


def _whole(line: str) -> str:
    return line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
