"""The command ``agentsvc``: serve, look at the settings, rotate keys."""

import asyncio
import math
import os
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.errors import ConfigurationError
from granian.log import LogLevels

from agentsvc import telemetry
from agentsvc.keyfile import load_or_create_keys
from agentsvc.kv.binary import ServerMissing
from agentsvc.kv.embedded import EmbeddedRedis, NotStarted
from agentsvc.kv.errors import Unreachable
from agentsvc.kv.lock import DirectoryInUse
from agentsvc.kv.tether import end_with_parent
from agentsvc.settings import RUNTIME, Settings, check_keys, check_serve, without_password
from agentsvc.variables import VARIABLES, SettingsError, Variable

Command = TypeVar("Command", bound=Callable[..., Any])

_APP = "agentsvc.app:create_from_environment"
_ACCEPT_QUEUE = 4096
# Granian counts these from the signal: a worker that has drained still has its parts to close.
_CLOSING_S = 5
_REFUSALS = (SettingsError, DirectoryInUse, ServerMissing, NotStarted, Unreachable, ConfigurationError)


@click.group()
@click.version_option(version("agentsvc"), prog_name="agentsvc")
def main() -> None:
    """Run LLM agents for many users. Every flag is also a variable of the environment: --x-y is AGENTSVC_X_Y."""


def _flag(name: str, variable: Variable) -> Callable[[Any], Any]:
    use = f"{variable.help} [{variable.name}]"
    if variable.expected == "true or false":
        return click.option(variable.flag, name, flag_value="true", default=None, help=use)
    return click.option(variable.flag, name, metavar="TEXT", help=use)


def with_settings(*names: str) -> Callable[[Command], Command]:
    """Give a command one flag for each of these settings."""
    flags = [_flag(name, VARIABLES[name]) for name in names]
    return lambda command: reduce(lambda inner, flag: flag(inner), reversed(flags), command)


with_all_settings = with_settings(*(name for name, variable in VARIABLES.items() if not variable.secret))


@main.command()
@with_all_settings
def serve(**flags: str | None) -> None:
    """Serve until SIGTERM. Without --redis-url a private Redis is started, which keeps its data."""
    with _explained():
        settings = Settings.from_env(os.environ, **flags)
        check_serve(settings)
        address = _address(settings.host, settings.port)
        telemetry.configure(settings.log.level, settings.log.format)
        with _redis(settings) as complete:
            _hand_over(complete)
            _serve(complete, address, _banner(settings))


@main.command("check-config")
@with_all_settings
def check_config(**flags: str | None) -> None:
    """Print the settings as JSON, secrets masked, and say whether serve would take them."""
    with _explained():
        settings = Settings.from_env(os.environ, **flags)
        click.echo(msgspec.json.format(msgspec.json.encode(settings.masked()), indent=2))
        check_serve(settings)


@main.command("rotate-keys")
@with_settings("redis_url", "data_dir")
def rotate_keys(**flags: str | None) -> None:
    """Seal all stored secrets with the first key.

    Put a new key before the old ones, in AGENTSVC_SECRET_KEYS or as the first line of the key file in the data
    directory, and restart the service, so that it can open what is sealed from now on. Then run this; with the
    embedded Redis, while the service is stopped. When nothing has failed, the old keys can go.
    """
    with _explained():
        settings = Settings.from_env(os.environ, **flags)
        check_keys(settings)
        telemetry.configure(settings.log.level, settings.log.format)
        # Not at the top: a quarter of the memory of ``serve`` would be what only this command needs.
        from agentsvc.rotation import rotate  # noqa: PLC0415

        with _redis(settings) as complete:
            done = asyncio.run(rotate(complete))
        click.echo(f"{done.rewrapped} sealed with the first key, {done.current} were already, {done.failed} failed")
        if done.failed:
            raise click.ClickException("keep the old keys: the log names what could not be opened")


@contextmanager
def _explained() -> Generator[None]:
    """What the operator can mend is said in one line."""
    try:
        yield
    except _REFUSALS as refusal:
        raise click.ClickException(str(refusal)) from refusal


def _address(host: str, port: int) -> str:
    """The IP address to bind. Raises ``SettingsError`` when the host has none here or the port is taken.

    Granian would share the port with another server that shares it too: half of the requests would go there.
    """
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        raise SettingsError(f"{host}:{port} cannot be listened on: {error.strerror}") from error
    return str(place[0])


@contextmanager
def _redis(settings: Settings) -> Generator[Settings]:
    """The settings with a Redis and keys: the operator's own, else embedded ones."""
    if settings.redis_url is not None:
        yield settings
        return
    data_dir = Path(settings.data_dir)
    with EmbeddedRedis(data_dir) as server:
        keys = settings.secret_keys or VARIABLES["secret_keys"].read(load_or_create_keys(data_dir))
        # Workers forked from here end with this process, even when it is killed, and leave the server to it.
        _after_fork(server)
        yield msgspec.structs.replace(settings, redis_url=server.url, secret_keys=keys)


def _after_fork(server: EmbeddedRedis) -> None:
    parent = os.getpid()
    tied = False

    def tie() -> None:
        nonlocal tied
        if not tied:  # what a worker starts is its own
            tied = True
            server.forget()
            end_with_parent(parent)

    os.register_at_fork(after_in_child=tie)


def _hand_over(settings: Settings) -> None:
    """Workers find the settings in one variable, which they take out; what else is secret is taken out here."""
    for variable in VARIABLES.values():
        if variable.secret or variable.quiet:
            os.environ.pop(variable.name, None)
    os.environ[RUNTIME] = settings.for_runtime()


def _serve(settings: Settings, address: str, banner: str) -> None:
    server = Granian(
        _APP,
        factory=True,
        address=address,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        backlog=_ACCEPT_QUEUE,
        backpressure=settings.max_connections,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=math.ceil(settings.drain_s) + _CLOSING_S,
        process_name="agentsvc",
        log_level=LogLevels.warning,
        # Its lines go where all others go.
        log_dictconfig={
            "formatters": {},
            "handlers": {},
            "loggers": {"_granian": {"propagate": True}, "granian.access": {"propagate": True}},
        },
    )
    os.register_at_fork(after_in_child=_heed_signals)
    # The port is bound by then, the workers are about to start.
    server.on_startup(lambda: click.echo(banner))
    server.serve()


def _heed_signals() -> None:
    """Until it has handlers of its own, a worker would hand signals to those of its parent, where nobody hears them."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


def _banner(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{settings.port}"
    redis = "an embedded Valkey" if settings.redis_url is None else without_password(settings.redis_url)
    return "\n".join(
        (
            f"agentsvc {version('agentsvc')}: {url}   (API: {url}/schema)",
            f"  data    {settings.data_dir}, {redis}",
            "  users   X-User-ID is a placeholder: whoever reaches this address can say to be anyone",
            '  models  without a credential there is "demo", which is no model: it follows a script',
        )
    )
