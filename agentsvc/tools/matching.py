"""The lines of one text that a regular expression matches. It blocks: it is for a thread."""

import time
from collections.abc import Iterator, Sequence
from itertools import islice

import regex

from agentsvc.tools.queries import GAP, Query, Row
from agentsvc.tools.unrolled import unrolled

_SECONDS = 5.0  # for one file
_COLUMNS = 500
_MATCHES = 100_000  # in one file
_LONGEST = 10_000  # characters of a pattern, also when its repetitions are written out
# Patterns that call themselves; and remarks, which part a repetition from what it repeats.
_UNBOUNDED = regex.compile(r"\(\?(?:R\)|[+-]?[0-9]|&|P>|#|[a-zA-Z0-9-]*x)")


class BadExpression(ValueError):
    """The regular expression is malformed or takes too long."""


class Expression:
    """What a query looks for. Raises BadExpression."""

    def __init__(self, query: Query) -> None:
        if len(query.pattern) > _LONGEST:
            raise BadExpression(f"The pattern has more than {_LONGEST} characters.")
        if _UNBOUNDED.search(query.pattern) or unrolled(query.pattern) > _LONGEST:
            raise BadExpression("The pattern takes too much memory. Make it simpler.")
        flags = regex.MULTILINE | (regex.IGNORECASE if query.ignores_case else 0)
        flags |= regex.DOTALL if query.multiline else 0
        self._query = query
        try:
            self._compiled = regex.compile(query.pattern, flags)
        except (regex.error, RecursionError, OverflowError) as error:
            raise BadExpression(f"The pattern cannot be used: {error}") from error

    def rows(self, path: str, text: str) -> list[Row]:
        """As the output mode wants them; none where nothing matches. Raises BadExpression."""
        lines = text.removesuffix("\n").split("\n")
        try:
            spans = self._multiline(text) if self._query.multiline else self._by_line(lines)
            matched = next(spans, None)
            if matched is None:
                return []
            match self._query.output_mode:
                case "files_with_matches":
                    return [Row(path)]
                case "count":
                    return [Row(path, 1 + sum(1 for _ in spans))]
                case "content":
                    return list(self._content(path, lines, [matched, *islice(spans, _MATCHES)]))
        except (TimeoutError, MemoryError) as error:
            raise BadExpression("The pattern takes too long to search for. Make it simpler.") from error

    def _by_line(self, lines: Sequence[str]) -> Iterator[range]:
        ends = time.monotonic() + _SECONDS
        for index, line in enumerate(lines):
            if self._compiled.search(line.removesuffix("\r"), timeout=max(0.001, ends - time.monotonic())):
                yield range(index, index + 1)

    def _multiline(self, text: str) -> Iterator[range]:
        position = line = 0
        for found in self._compiled.finditer(text, timeout=_SECONDS):
            line += text.count("\n", position, found.start())
            position = found.start()
            yield range(line, line + found[0].removesuffix("\n").count("\n") + 1)

    def _content(self, path: str, lines: Sequence[str], spans: Sequence[range]) -> Iterator[Row]:
        matched = {index for span in spans for index in span}
        before, after = self._query.lines_before, self._query.lines_after
        around = {each for index in matched for each in range(index - before, index + after + 1)}
        last = -1
        for index in sorted(around & set(range(len(lines)))):
            if (before or after) and last not in (-1, index - 1):
                yield GAP
            last = index
            yield Row(path, index + 1, _short(lines[index].removesuffix("\r")), ":" if index in matched else "-")


def _short(line: str) -> str:
    return line if len(line) <= _COLUMNS else f"{line[:_COLUMNS]} [... cut]"
