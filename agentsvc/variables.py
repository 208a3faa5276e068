"""How each setting is written: the name of its variable, what its text must be and how it is read."""

import base64
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

from msgspec import Struct

from agentsvc.kv.address import FORMS, AddressError, parse_address
from agentsvc.telemetry import Format, Level

PREFIX = "AGENTSVC_"

Purpose = Literal["model", "mcp", "media", "webhook"]
Workspaces = Literal["local", "none"]
AllowPrivate = dict[Purpose, tuple[str, ...]]

_HOST = re.compile(r"(?!-)[A-Za-z0-9._-]{1,253}")


class SettingsError(ValueError):
    """A setting cannot be used. The message names the variable and what was expected, never a secret."""


class Variable(Struct, frozen=True, kw_only=True):
    """One setting as it is written: the name of its variable, what its text must be and what it is for.

    A ``secret`` has no flag, since every user of a machine can read command lines; a ``quiet`` one is not
    repeated in errors.
    """

    name: str
    parse: Callable[[str], Any]
    expected: str
    help: str
    secret: bool = False
    quiet: bool = False

    @property
    def flag(self) -> str:
        """``AGENTSVC_X_Y`` is ``--x-y``."""
        return "--" + self.name.removeprefix(PREFIX).lower().replace("_", "-")

    def read(self, text: str) -> Any:
        """The value of this text. Raises ``SettingsError``."""
        try:
            return self.parse(text.strip())
        except ValueError as error:
            name = self.name if self.secret else f"{self.name} ({self.flag})"
            got = "" if self.secret or self.quiet else f", not {text.strip()!r}"
            why = f": {error}" if isinstance(error, SettingsError) else ""
            raise SettingsError(f"{name}: expected {self.expected}{got}{why}") from None


def _number(kind: type[int] | type[float], least: float, most: float = float("inf")) -> Callable[[str], Any]:
    def parse(text: str) -> int | float:
        value = kind(text)
        if not least <= value <= most or value == float("inf"):
            raise ValueError(text)
        return value

    return parse


def _one_of(choices: object) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in get_args(choices):
            raise ValueError(text)
        return text.lower()

    return parse


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "1", "yes", "false", "0", "no"):
        raise ValueError(text)
    return text.lower() in ("true", "1", "yes")


def _host(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        if not _HOST.fullmatch(text):
            raise
        return text


def _directory(text: str) -> str:
    return str(Path(text).expanduser().absolute())


def _redis_url(text: str) -> str:
    try:
        parse_address(text)
    except AddressError as error:
        raise SettingsError(str(error)) from None
    return text


def _keys(text: str) -> tuple[bytes, ...]:
    keys = tuple(_key(part.strip()) for part in text.split(","))
    if len(set(keys)) < len(keys):
        raise ValueError("twice the same")
    return keys


def _key(text: str) -> bytes:
    if len(key := base64.b64decode(text, validate=True)) != 32:
        raise ValueError("not 32 bytes")
    return key


def _allow_private(text: str) -> AllowPrivate:
    allowed: dict[Any, tuple[str, ...]] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        purpose, _, target = entry.partition("=")
        if purpose not in get_args(Purpose):
            raise ValueError(entry)
        allowed[purpose] = (*allowed.get(purpose, ()), _host_or_network(target))
    return allowed


def _host_or_network(text: str) -> str:
    return str(ipaddress.ip_network(text)) if "/" in text else _host(text)


def _variables() -> dict[str, Variable]:
    def variable(setting: str, parse: Callable[[str], Any], expected: str, use: str, **more: bool) -> None:
        name = PREFIX + setting.upper()
        variables[setting] = Variable(name=name, parse=parse, expected=expected, help=use, **more)

    variables: dict[str, Variable] = {}
    variable("host", _host, "a host name or an IP address", "Where to listen.")
    variable("port", _number(int, 1, 65535), "a port from 1 to 65535", "Where to listen.")
    variable("workers", _number(int, 1), "a whole number from 1", "How many processes do the work.")
    variable(
        "no_worker",
        _boolean,
        "true or false",
        "Serve HTTP alone and carry out no runs, which is left to `agentsvc worker` on the same Redis.",
    )
    variable(
        "redis_url",
        _redis_url,
        FORMS,
        "A Redis or Valkey of your own. Without it, `serve` starts one that keeps its data in the data directory.",
        quiet=True,
    )
    variable("data_dir", _directory, "a directory", "What is kept here: the embedded Redis, the key file, workspaces.")
    variable(
        "secret_keys",
        _keys,
        "one or more different keys, comma separated, each the base64 of 32 bytes",
        "Keys that seal users' secrets: the first seals, all open.",
        secret=True,
    )
    variable(
        "allow_private",
        _allow_private,
        "purpose=host or purpose=network, comma separated, with purposes model, mcp, media and webhook",
        "Private addresses that users' URLs may reach.",
    )
    variable(
        "trust_user_header", _boolean, "true or false", "Take X-User-ID for who it says, also on a public address."
    )
    variable(
        "workspaces",
        _one_of(Workspaces),
        "local or none",
        "Where agents work on files: directories below the data directory, or nowhere. Local is what holds without a "
        "Redis of your own.",
    )
    variable(
        "workspace_network",
        _boolean,
        "true or false",
        "Let commands in workspaces reach the network, which includes every port of this machine.",
    )
    variable("log_level", _one_of(Level), "debug, info, warning or error", "What is logged.")
    variable("log_format", _one_of(Format), "plain or json", "How it is logged.")
    _limits(variable)
    return variables


def _limits(variable: Callable[[str, Callable[[str], Any], str, str], None]) -> None:
    count, seconds = "a whole number from 1", "a number of seconds above 0"
    variable("max_body", _number(int, 1024), "a whole number of bytes from 1024", "The largest request, in bytes.")
    variable("max_runs", _number(int, 1), count, "How many runs one worker carries out at the same time.")
    variable(
        "max_runs_per_user",
        _number(int, 0),
        "a whole number from 0",
        "How many runs of one user all workers together carry out at the same time, in each part of the run queue; 0: "
        "any number.",
    )
    variable(
        "max_queued",
        _number(int, 1),
        count,
        "How many requests may wait in each part of the run queue before new messages are refused for a while.",
    )
    variable("max_connections", _number(int, 1), count, "How many connections one worker holds.")
    variable("queue_shards", _number(int, 1, 1024), "a whole number from 1 to 1024", "Parts of the run queue.")
    variable(
        "log_keep",
        _number(int, 0),
        "a whole number from 0",
        "How many events of a session are kept; the newest reply counts in, but is never cut.",
    )
    variable(
        "run_keep_s",
        _number(float, 1, 100 * 365 * 86_400),
        "a number of seconds from 1, and at most a hundred years",
        "How long a run is kept that has ended.",
    )
    variable(
        "session_keep_s",
        _number(float, 0, 100 * 365 * 86_400),
        "a number of seconds from 0, and at most a hundred years",
        "How long a session is kept that nobody uses; 0 is for ever.",
    )
    variable(
        "lease_s", _number(float, 1), "a number of seconds from 1", "After this time a silent worker loses its runs."
    )
    variable(
        "drain_s",
        _number(float, 0.1),
        seconds,
        "How long a worker that is told to stop may take, with up to 2 seconds of it to hand its runs over.",
    )
    variable("heartbeat_s", _number(float, 0.1), seconds, "A silent stream is given a sign of life this often.")


# Every setting by its name in the tree, ``log.level`` as ``log_level``.
VARIABLES = _variables()
