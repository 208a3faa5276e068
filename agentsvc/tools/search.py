"""Searching file by file, for a workspace without ripgrep. Ignore files are not heeded."""

import posixpath
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial

from agentsvc.agent.backend import BackendBase
from agentsvc.agent.thread import ToolThread
from agentsvc.tools.files import LARGEST, Refused
from agentsvc.tools.filetypes import FILE_TYPES
from agentsvc.tools.matching import BadExpression, Expression
from agentsvc.tools.media import is_binary
from agentsvc.tools.paths import is_below
from agentsvc.tools.patterns import MATCHING_SECONDS, PathPattern
from agentsvc.tools.queries import GAP, Query, Row
from agentsvc.tools.walk import Walk, is_left_out


async def search(backend: BackendBase, query: Query, start: str) -> AsyncGenerator[Row]:
    """Rows in order of names. Raises Refused."""
    wanted = _wanted(query, backend.root)
    thread = ToolThread("grep")
    gap = query.output_mode == "content" and bool(query.lines_before or query.lines_after)
    found = False
    try:
        expression = await thread.do(partial(Expression, query))
        async with aclosing(_paths(backend, start)) as paths:
            async for path in paths:
                text = await _text(backend, path) if wanted(path) else None
                rows = await thread.do(partial(expression.rows, path, text)) if text is not None else []
                if found and gap and rows:
                    yield GAP
                for row in rows:
                    found = True
                    yield row
    except BadExpression as error:
        raise Refused(str(error)) from error
    finally:
        thread.end()


async def _paths(backend: BackendBase, start: str) -> AsyncGenerator[str]:
    stat = await backend.stat(start)
    if stat is not None and stat.kind == "file":
        yield stat.path
        return
    walk = Walk(backend, lambda directory: not is_left_out(directory))
    async with aclosing(walk.files(start)) as files:
        async for file in files:
            if file.kind == "file":
                yield file.path
    if walk.cut:
        raise Refused("There is too much to look through. Narrow the search.")


async def _text(backend: BackendBase, path: str) -> str | None:
    """None for what is binary, too large or cannot be read."""
    try:
        data = (await backend.read(path, limit=LARGEST + 1)).data
    except OSError:
        return None
    return None if len(data) > LARGEST or is_binary(data) else data.decode("utf-8", "replace")


def _wanted(query: Query, root: str) -> Callable[[str], bool]:
    """By kind and glob. A glob without a slash means names, another one paths from the root; ``!`` turns it round."""
    if query.type and query.type not in FILE_TYPES:
        raise Refused(f"There is no file type {query.type!r}. Use glob.")
    kind = PathPattern(*FILE_TYPES[query.type]) if query.type else None
    glob = query.glob.removeprefix("!")
    pattern = PathPattern(glob.lstrip("/"), seconds=MATCHING_SECONDS) if glob else None

    def wanted(path: str) -> bool:
        name = posixpath.basename(path)
        if kind is not None and not kind.matches(name):
            return False
        if pattern is None:
            return True
        subject = posixpath.relpath(path, root) if "/" in glob and is_below(path, (root,)) else name
        return pattern.matches(subject) is not query.glob.startswith("!")

    return wanted
