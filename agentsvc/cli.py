"""The command ``agentsvc``: serve, carry out runs, drain, look at the settings and at what is stored, rotate keys."""

import asyncio
import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial, reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from granian.errors import ConfigurationError

from agentsvc import telemetry
from agentsvc.keyfile import load_or_create_keys
from agentsvc.kv.binary import ServerMissing
from agentsvc.kv.check import check_redis
from agentsvc.kv.embedded import EmbeddedRedis, NotStarted
from agentsvc.kv.errors import Denied, Refused, Unreachable
from agentsvc.kv.lock import DirectoryInUse
from agentsvc.kv.tether import end_with_parent
from agentsvc.processes import CLOSING_S, keep_up
from agentsvc.server import serve as serve_http
from agentsvc.settings import Settings, check_keys, check_serve, check_shared, without_password
from agentsvc.variables import VARIABLES, SettingsError, Variable

Command = TypeVar("Command", bound=Callable[..., Any])

_REFUSALS = (SettingsError, DirectoryInUse, ServerMissing, NotStarted, Refused, Denied, ConfigurationError)


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


_PUBLIC = [name for name, variable in VARIABLES.items() if not variable.secret]
_OF_HTTP = ("host", "port", "no_worker", "trust_user_header", "max_body", "max_connections", "heartbeat_s")

with_all_settings = with_settings(*_PUBLIC)


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
            check_redis(complete.redis_url or "")
            _take_out_secrets()
            serve_http(complete, address, lambda: click.echo(_banner(settings)))


@main.command()
@with_settings(*(name for name in _PUBLIC if name not in _OF_HTTP))
def worker(**flags: str | None) -> None:
    """Carry out runs until SIGTERM, without HTTP, in --workers processes on a Redis of your own."""
    with _explained():
        settings = Settings.from_env(os.environ, **flags)
        check_shared(settings, "agentsvc worker")
        check_keys(settings)
        telemetry.configure(settings.log.level, settings.log.format)
        # Not at the top: what carries runs out is not needed by every command.
        from agentsvc.worker import work  # noqa: PLC0415

        check_redis(settings.redis_url or "")
        _take_out_secrets()
        click.echo(f"agentsvc {version('agentsvc')}: {settings.workers} processes carry out runs")
        alone = msgspec.structs.replace(settings, no_worker=False)
        if not keep_up(settings.workers, partial(work, alone), settings.drain_s + CLOSING_S):
            raise click.ClickException("not every process came to its end by itself")


@main.command()
@click.argument("workers", nargs=-1, metavar="[WORKER]...")
@click.option("--all", "everywhere", is_flag=True, help="Every worker of this Redis.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="How long to wait. [drain-s and 5 more]"
)
@with_settings("redis_url")
def drain(workers: tuple[str, ...], *, everywhere: bool, timeout: float | None, **flags: str | None) -> None:
    """Let workers take no more runs, and wait until each has handed over those that it had.

    Without names, every worker of this host. A drained worker says that it is not ready, and stays until SIGTERM.
    The exit code is 1 when some still had runs after the timeout.
    """
    with _explained():
        settings = Settings.from_env(os.environ, **flags)
        check_shared(settings, "agentsvc drain")
        from agentsvc.drainage import drain as drain_all  # noqa: PLC0415 - as above

        within = settings.drain_s + CLOSING_S if timeout is None else timeout
        left = asyncio.run(drain_all(settings, workers, everywhere=everywhere, within=within, say=click.echo))
        if left:
            raise click.ClickException(
                "still at work: " + ", ".join(f"{each.name} ({each.runs} runs)" for each in left)
            )


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


@main.command()
@with_settings("redis_url", "data_dir", "lease_s", "queue_shards", "run_keep_s", "max_runs_per_user")
@click.option("--repair", is_flag=True, help="Put right what can be put right without asking.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, without a limit.")
def doctor(*, repair: bool, as_json: bool, **flags: str | None) -> None:
    """Look for what a crash, a lost Redis or somebody else has left: keys of nobody, runs that nobody goes on with.

    Works beside the service, whose settings it has to be given; with the embedded Redis, while the service is stopped.
    Nothing is changed without --repair. The exit code is 0 when nothing is wrong, or all was repaired, else 1.
    """
    with _explained():
        settings = Settings.from_env(os.environ, **flags)
        telemetry.configure(settings.log.level, settings.log.format)
        from agentsvc.doctor.checkup import check_up  # noqa: PLC0415 - as above

        with _redis(settings) as complete:
            report = asyncio.run(check_up(complete, repair=repair))
    click.echo(report.json() if as_json else report)
    if not report.well:
        raise click.exceptions.Exit(1)


@contextmanager
def _explained() -> Generator[None]:
    """What the operator can mend is said in one line."""
    try:
        yield
    except _REFUSALS as refusal:
        raise click.ClickException(str(refusal)) from refusal
    except Unreachable as lost:
        raise click.ClickException(f"Redis cannot be reached: {lost}") from lost


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


def _take_out_secrets() -> None:
    """No process that is started from here shall inherit them."""
    for variable in VARIABLES.values():
        if variable.secret or variable.quiet:
            os.environ.pop(variable.name, None)


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
