"""Settings: everything that differs between deployments, read once at start and handed on as arguments."""

import ipaddress
import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import Struct, field

from agentsvc.telemetry import MASK, Format, Level
from agentsvc.variables import PREFIX, VARIABLES, AllowPrivate, SettingsError, Workspaces

# Settings on their way from `agentsvc serve` to its workers, as JSON.
RUNTIME = PREFIX + "RUNTIME"


class LogSettings(Struct, frozen=True, kw_only=True):
    """``json`` writes one object a line."""

    level: Level = "info"
    format: Format = "plain"


class Settings(Struct, frozen=True, kw_only=True):
    """One tree for all parts; ``VARIABLES`` says what each one means and how it is written.

    Without ``redis_url`` there is an embedded Redis in ``data_dir``. ``secret_keys`` are 32 bytes each: the first
    seals, all open. ``allow_private`` holds, for each purpose, the private hosts and CIDRs that users' URLs may reach.
    ``workspaces`` are ``local`` with the embedded Redis; replicas that share one do not share directories.
    Names that end in ``_s`` are seconds.
    """

    data_dir: str = field(default_factory=lambda: _data_home({}))
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    no_worker: bool = False
    redis_url: str | None = None
    secret_keys: tuple[bytes, ...] = ()
    allow_private: AllowPrivate = {}
    trust_user_header: bool = False
    log: LogSettings = LogSettings()
    workspaces: Workspaces = "none"
    workspace_network: bool = False
    max_body: int = 10 * 1024 * 1024
    max_runs: int = 1000
    max_runs_per_user: int = 0
    max_queued: int = 10_000
    max_connections: int = 20_000
    queue_shards: int = 1
    log_keep: int = 10_000
    run_keep_s: float = 7 * 86_400.0
    session_keep_s: float = 0.0
    lease_s: float = 10.0
    drain_s: float = 10.0
    heartbeat_s: float = 15.0

    @classmethod
    def from_env(cls, environ: Mapping[str, str], **overrides: str | None) -> Self:
        """What the environment says, and before it ``overrides`` (a flag's text by the name of its setting).

        Raises ``SettingsError``.
        """
        texts = {name: environ.get(variable.name) or None for name, variable in VARIABLES.items()}
        texts |= {name: text for name, text in overrides.items() if text is not None}
        read = {name: VARIABLES[name].read(text) for name, text in texts.items() if text is not None}
        read.setdefault("data_dir", _data_home(environ))
        if "redis_url" not in read:
            # Somebody who tries it on a laptop has an Ollama there.
            read.setdefault("allow_private", {"model": ("127.0.0.1",)})
            read.setdefault("workspaces", "local")
        log = LogSettings(**{name: read.pop(f"log_{name}") for name in ("level", "format") if f"log_{name}" in read})
        return cls(**read, log=log)

    @classmethod
    def from_runtime(cls, environ: MutableMapping[str, str]) -> Self:
        """What ``serve`` handed to this worker, else what the environment says.

        What was handed over is taken out, so that no child process inherits the secrets in it.
        """
        handed = environ.pop(RUNTIME, None)
        return cls.from_env(environ) if handed is None else msgspec.json.decode(handed, type=cls)

    def for_runtime(self) -> str:
        """The value of ``AGENTSVC_RUNTIME`` that says the same."""
        return msgspec.json.encode(self).decode()

    def masked(self) -> dict[str, Any]:
        """The tree for people to read."""
        tree: dict[str, Any] = msgspec.to_builtins(self)
        tree["secret_keys"] = [MASK] * len(self.secret_keys)
        tree["redis_url"] = None if self.redis_url is None else without_password(self.redis_url)
        return tree

    def __repr__(self) -> str:
        return f"Settings({self.masked()})"


def check_keys(settings: Settings, *, brought: bool = False) -> None:
    """Raise ``SettingsError`` when there is nothing to seal secrets with that every replica has.

    ``brought``: an app has a storage or a message bus of its own, which other replicas may share.
    """
    if (settings.redis_url is not None or brought) and not settings.secret_keys:
        raise SettingsError(
            f"{PREFIX}SECRET_KEYS is needed with a Redis of your own ({PREFIX}REDIS_URL), or a storage or message bus "
            "that an app brings: users' secrets are sealed with it, and every replica needs the same. Make one with: "
            "openssl rand -base64 32"
        )


def check_shared(settings: Settings, use: str) -> None:
    """Raise ``SettingsError`` when this is to share a Redis with other commands and has none that can be shared."""
    if settings.redis_url is None:
        raise SettingsError(
            f"{use} needs a Redis of your own ({PREFIX}REDIS_URL, --redis-url): the embedded one belongs to the "
            "command that started it, and no other can use it"
        )


def check_serve(settings: Settings) -> None:
    """Raise ``SettingsError`` when serving with these would endanger what users keep here."""
    check_keys(settings)
    if settings.no_worker:
        check_shared(settings, f"{PREFIX}NO_WORKER (--no-worker)")
    if not _is_loopback(settings.host) and not settings.trust_user_header:
        raise SettingsError(
            f"{PREFIX}HOST {settings.host} can be reached by others, and X-User-ID lets anyone say who they are. "
            "Put a proxy in front that sets this header itself and say --trust-user-header, or stay on 127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def without_password(url: str) -> str:
    """The URL of a Redis for people to read."""
    url = re.sub(r"(?<=://)(?:([^:/@]*):)?[^/]*@", rf"\1:{MASK}@", url)
    return re.sub(r"([?&](?!db=|(?:sentinel_)?username=|ssl_)[^=&]*=)[^&]*", rf"\g<1>{MASK}", url)


def _data_home(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_DATA_HOME") or Path(environ.get("HOME") or "~").expanduser() / ".local" / "share"
    return str(Path(base) / "agentsvc")
