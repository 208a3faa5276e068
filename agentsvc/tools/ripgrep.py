"""Searching with the ripgrep of the workspace."""

import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from agentsvc.agent.backend import BackendBase, Exit
from agentsvc.tools.files import Refused
from agentsvc.tools.queries import GAP, Query, Row
from agentsvc.tools.walk import LEFT_OUT

_SECONDS = 30.0
_COLUMNS = 500
_MESSAGE = 2_000  # bytes of what ripgrep complains about
_NUMBERED = re.compile(rb"(\d+)([:-])")
_NOT_FOUND = 127
_FAILED = 2


class NoRipgrep(Exception):
    """The workspace has no ripgrep."""


def arguments(query: Query, start: str) -> list[str]:
    """What a user gives is a value after ``=`` or stands after ``--``: it is never an option."""
    return [
        "rg",
        *("--no-config", "--hidden", "--no-messages", "--color=never", "--sort=path", "--null", "--with-filename"),
        *(f"--max-columns={_COLUMNS}", "--max-columns-preview"),
        *_output(query),
        *(["--ignore-case"] if query.ignores_case else []),
        *(["--multiline", "--multiline-dotall"] if query.multiline else []),
        *([f"--type={query.type}"] if query.type else []),
        *([f"--glob={query.glob}"] if query.glob else []),
        *(f"--glob=!{name}" for name in sorted(LEFT_OUT)),
        f"--regexp={query.pattern}",
        "--",
        start,
    ]


def _output(query: Query) -> list[str]:
    match query.output_mode:
        case "files_with_matches":
            return ["--files-with-matches"]
        case "count":
            return ["--count"]
        case "content":
            context = [f"--before-context={query.lines_before}", f"--after-context={query.lines_after}"]
            return ["--line-number", "--no-heading", *context]


async def ripgrep(backend: BackendBase, query: Query, start: str) -> AsyncGenerator[Row]:
    """Rows as they are found. Raises NoRipgrep before the first; Refused for a timeout and what ripgrep refuses."""
    rest, errors, found = b"", b"", False
    end = b"\0" if query.output_mode == "files_with_matches" else b"\n"
    async with aclosing(backend.exec(arguments(query, start), timeout_s=_SECONDS)) as outputs:
        async for output in outputs:
            if isinstance(output, Exit):
                _check(output, errors, found=found)
            elif output.stream == "stderr":
                errors = (errors + output.data)[:_MESSAGE]
            else:
                *lines, rest = (rest + output.data).split(end)
                for row in _rows(lines, query):
                    found = True
                    yield row


def _check(ended: Exit, errors: bytes, *, found: bool) -> None:
    if ended.timed_out:
        raise Refused(f"The search took longer than {_SECONDS:.0f} seconds. Narrow it.")
    if ended.code == _NOT_FOUND:
        raise NoRipgrep
    # Files that cannot be read make it fail too, after it has searched all others.
    if ended.code > 1 and not found and (errors or ended.code > _FAILED):
        raise Refused(f"The search failed. {errors.decode('utf-8', 'replace').strip()}")


def _rows(lines: list[bytes], query: Query) -> Iterator[Row]:
    for line in lines:
        name, separator, rest = line.partition(b"\0")
        path = name.decode("utf-8", "surrogateescape")
        if query.output_mode == "files_with_matches":
            yield Row(path)
        elif not separator:
            # All other lines without a name are remarks, such as those about binary files.
            if line == b"--":
                yield GAP
        elif query.output_mode == "count":
            yield Row(path, int(rest))
        elif numbered := _NUMBERED.match(rest):
            text = rest[numbered.end() :].decode("utf-8", "replace").removesuffix("\r")
            yield Row(path, int(numbered[1]), text, ":" if numbered[2] == b":" else "-")
