"""Logs: one line an entry, plain or JSON, with the request, user, session and run it belongs to, and no secrets."""

import json
import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO
from urllib.parse import quote

import msgspec
from msgspec import Struct

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["plain", "json"]

MASK = "**********"

# Shorter values are not masked: they would be found in the middle of ordinary words.
_SHORTEST_SECRET = 8
_MOST_SECRETS = 10_000
# They write a line a request, or a line for every client that goes away.
_CHATTY = ("_granian", "granian.access", "httpcore2", "httpx2", "httpcore", "httpx", "mcp")


class Context(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an entry belongs to."""

    request_id: str | None = None
    user: str | None = None
    session: str | None = None
    run: str | None = None


_NOTHING = Context()
_context: ContextVar[Context] = ContextVar("telemetry", default=_NOTHING)
_secrets: dict[str, tuple[str, ...]] = {}


def context() -> Context:
    """What entries of this task belong to now."""
    return _context.get()


@contextmanager
def bound(
    *, request_id: str | None = None, user: str | None = None, session: str | None = None, run: str | None = None
) -> Generator[None]:
    """Entries within the block, and within the tasks that it starts, belong to these as well."""
    known = _context.get()
    token = _context.set(
        Context(
            request_id=request_id or known.request_id,
            user=user or known.user,
            session=session or known.session,
            run=run or known.run,
        )
    )
    try:
        yield
    finally:
        _context.reset(token)


def secret(value: str) -> None:
    """Mask this value in all entries from now on. The newest 10,000 are known, each of 8 characters or more."""
    if len(value) >= _SHORTEST_SECRET:
        _secrets.pop(value, None)
        _secrets[value] = spellings(value)
        if len(_secrets) > _MOST_SECRETS:
            del _secrets[next(iter(_secrets))]


def masked(text: str) -> str:
    """The text without the secrets in it."""
    for forms in tuple(_secrets.values()):
        for form in forms:
            if form in text:
                text = text.replace(form, MASK)
    return text


def spellings(value: str) -> tuple[str, ...]:
    """A value as it is, in JSON, in the JSON of those who escape slashes, and in a URL; what is the same once."""
    escaped = json.dumps(value, ensure_ascii=False)[1:-1]
    in_url = quote(value, safe="", errors="surrogatepass")
    return tuple(dict.fromkeys((value, escaped, escaped.replace("/", "\\/"), in_url)))


def configure(level: Level = "info", form: Format = "plain", stream: TextIO | None = None) -> None:
    """Log to ``stream`` (standard error). What others have set up is replaced."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JSONLines() if form == "json" else PlainLines())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for name in _CHATTY:
        logger = logging.getLogger(name)
        logger.setLevel(max(logging.WARNING, logging.getLogger().level))
        logger.handlers.clear()
        logger.propagate = True


class PlainLines(logging.Formatter):
    """``2026-11-24T09:30:00.123Z INFO agentsvc.runs.run: message [user=ada run=…]``; a traceback takes more lines."""

    def format(self, record: logging.LogRecord) -> str:
        """The entry."""
        belongs = " ".join(f"{name}={value}" for name, value in msgspec.structs.asdict(context()).items() if value)
        line = f"{_time(record)} {record.levelname} {record.name}: {_one_line(record.getMessage())}"
        trace = _trace(self, record)
        return masked(line + (f" [{_one_line(belongs)}]" if belongs else "") + (f"\n{trace}" if trace else ""))


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of JSON."""

    time: str
    level: str
    logger: str
    message: str
    request_id: str | None = None
    user: str | None = None
    session: str | None = None
    run: str | None = None
    error: str = ""


class JSONLines(logging.Formatter):
    """``{"time":…,"level":"info","logger":…,"message":…,"user":…,"error":traceback}``, without what is not known."""

    def format(self, record: logging.LogRecord) -> str:
        """The entry."""
        entry = Entry(
            time=_time(record),
            level=record.levelname.lower(),
            logger=record.name,
            # Before encoding: a secret with a quote in it looks different afterwards.
            message=_encodable(masked(record.getMessage())),
            error=_encodable(masked(_trace(self, record))),
            **msgspec.structs.asdict(context()),
        )
        return _encode(entry).decode()


_encode = msgspec.json.Encoder().encode


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _encodable(text: str) -> str:
    # Names of files may hold half characters, which JSON has no form for.
    return text.encode("utf-8", "backslashreplace").decode()


def _one_line(text: str) -> str:
    # A user's text must not look like an entry of its own.
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = [formatter.formatException(record.exc_info)] if record.exc_info else []
    return "\n".join([*parts, *([record.stack_info] if record.stack_info else [])])
