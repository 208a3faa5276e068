"""The processes of a measurement: a Redis, the fake model and the service, all on ports of their own."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import psutil
from redis import Redis

from agentsvc.kv.binary import find_server
from tests.bench.adapters.adapter import Adapter, Place
from tests.bench.meter import Meter
from tests.bench.options import Options, System
from tests.bench.wire import Http

_HERE = Path(__file__).parent
_START_S = 120.0
_STOP_S = 15.0


class Stack:
    """One system under test. The service is started anew, on an empty store, by each ``restart``."""

    def __init__(self, system: System, options: Options) -> None:
        self.system = system
        self.options = options
        self.directory = Path(tempfile.mkdtemp(prefix="bench-"))
        port, model, redis = free_ports(3)
        self._place = Place(port, model, redis, self.directory)
        self.adapter: Adapter = adapter_of(system.adapter)(self._place, system.variant)
        self.redis: Redis = Redis(port=redis)
        self.http = Http(port)
        self.agent = ""
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def restart(self, workers: int = 1) -> float:
        """Seconds until the service said that it is healthy."""
        self.http.drop()
        self.rest()
        self.redis.flushall()
        command = self.adapter.command(self.system.python, workers)
        began = time.monotonic()
        process = self._spawn("service", command.arguments, command.environment)
        await self._healthy(process, began)
        took = time.monotonic() - began
        await self.adapter.set_up(self.http)
        self.agent = await self.adapter.agent(self.http)
        if self.options.spy is not None:
            await self._watch(process.pid, self.options.spy)
        await self._quiet()
        return took

    def rest(self) -> None:
        """Stop the service, so that it takes nothing from another system."""
        self._stop("spy")
        self._stop("service")

    def meter(self) -> Meter:
        return Meter(self._processes["service"].pid, self.redis, [self._processes["model"].pid])

    async def model(self, method: str, path: str) -> Any:
        """What the fake model says on one of its own paths."""
        http = Http(self._place.model_port)
        said = await http.ask(method, path, {})
        http.drop()
        return said

    @property
    def model_port(self) -> int:
        return self._place.model_port

    @property
    def redis_port(self) -> int:
        return self._place.redis_port

    def close(self) -> None:
        self.http.drop()
        self.redis.close()
        for name in ("spy", "service", "model", "redis"):
            self._stop(name)
        if self.options.keep:
            print(f"logs of {self.system}: {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    async def _open(self) -> None:
        redis = ["--port", str(self._place.redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._spawn("redis", [str(find_server()), *redis, "--maxclients", "10000"])
        self._spawn("model", [sys.executable, str(_HERE / "fake_model.py"), "--port", str(self._place.model_port)])
        for _ in range(750):
            if listening(self._place.redis_port) and listening(self._place.model_port):
                return
            await asyncio.sleep(0.02)
        raise RuntimeError("Redis or the fake model did not start")

    def _spawn(
        self, name: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("AGENTSVC_")}
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                arguments,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.directory,
                env={**inherited, **(environment or {})},
                start_new_session=True,  # Ctrl-C ends the harness, which ends them
            )
        self._processes[name] = process
        return process

    def _stop(self, name: str) -> None:
        """End a process of ours and what it has started."""
        process = self._processes.pop(name, None)
        if process is None:
            return
        family = descendants(process.pid)
        process.send_signal(signal.SIGINT if name == "spy" else signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
        for orphan in family:
            if orphan.is_running():
                orphan.kill()
        process.wait()

    async def _healthy(self, process: subprocess.Popen[bytes], began: float) -> None:
        while True:
            try:
                if (await self.http.call("GET", self.adapter.health, {"x-user-id": "bench"})).status == 200:
                    return
            except OSError:
                pass
            if process.poll() is not None or time.monotonic() - began > _START_S:
                said = (self.directory / "service.log").read_text(errors="replace")
                raise RuntimeError(f"{self.system} did not start: {said[-2000:]}")
            await asyncio.sleep(0.005)

    async def _watch(self, pid: int, profile: Path) -> None:
        """Sample the whole scenario; ``hotspots.py`` reads what comes of it."""
        py_spy = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
        if py_spy is None:
            raise RuntimeError("--spy needs py-spy on the PATH")
        options = ["--subprocesses", "--duration", "3600", "--rate", "200", "--format", "raw"]
        self._spawn("spy", [py_spy, "record", "--pid", str(pid), *options, "--output", str(profile.absolute())])
        await asyncio.sleep(1.5)

    async def _quiet(self) -> None:
        """Wait, though not for ever, until others leave the machine alone."""
        until = time.monotonic() + self.options.quiet_wait
        while self.options.quiet and time.monotonic() < until:
            meter = self.meter()
            meter.start()
            await asyncio.sleep(1)
            if meter.stop()["foreign_cpu_pct"] < self.options.quiet:
                return


def adapter_of(name: str) -> type[Adapter]:
    """Raises ModuleNotFoundError."""
    return cast("type[Adapter]", import_module(f"tests.bench.adapters.{name}").ADAPTER)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
