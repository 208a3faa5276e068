"""``agentsvc serve`` as an operator meets it: real processes, from start to end."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.processes import alive, children


class Served:
    """One running ``agentsvc serve``."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    @property
    def redis(self) -> list[int]:
        """The process of the embedded Redis, or none while it is down."""
        return [pid for pid, name in children(self.process.pid).items() if "valkey-server" in name]

    @property
    def workers(self) -> list[int]:
        return [pid for pid, name in children(self.process.pid).items() if "valkey-server" not in name]

    def answers(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/schema/openapi.json", timeout=5, trust_env=False).status_code < 500
        return False


@contextmanager
def serving(data_dir: Path, *arguments: str) -> Generator[Served]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "agentsvc", "serve", "--port", str(port), "--data-dir", str(data_dir), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield Served(process, f"http://127.0.0.1:{port}")
        finally:
            process.terminate()


async def test_it_is_there_within_seconds_and_says_where(tmp_path, until):
    began = time.monotonic()
    with serving(tmp_path) as served:
        await until(served.answers, "it answers", within=15)
        took = time.monotonic() - began

        served.process.terminate()
        said, _ = served.process.communicate(timeout=15)

    assert served.process.returncode == 0, said
    assert served.url in said.splitlines()[0]
    assert str(tmp_path) in said
    assert "X-User-ID is a placeholder" in said
    assert took < 15


async def test_sigterm_ends_everything(tmp_path, until):
    with serving(tmp_path, "--workers", "2") as served:
        await until(served.answers, "it answers", within=15)
        everything = [*served.redis, *served.workers]

        served.process.terminate()
        said, _ = served.process.communicate(timeout=15)

    assert len(everything) == 3
    assert not [pid for pid in everything if alive(pid)]
    assert "rror" not in said


@pytest.mark.chaos
async def test_nothing_is_left_when_the_parent_is_killed(tmp_path, until):
    with serving(tmp_path) as served:
        await until(served.answers, "it answers", within=15)
        everything = [*served.redis, *served.workers]

        served.process.kill()

        await until(lambda: not [pid for pid in everything if alive(pid)], "workers and Redis have ended", within=20)

    with serving(tmp_path) as served:
        await until(served.answers, "it answers again on the same data", within=15)


@pytest.mark.chaos
async def test_a_killed_redis_and_a_killed_worker_come_back(tmp_path, until):
    with serving(tmp_path) as served:
        await until(served.answers, "it answers", within=15)
        redis, workers = served.redis, served.workers

        os.kill(redis[0], signal.SIGKILL)
        await until(lambda: served.redis not in ([], redis) and served.answers(), "another Redis", within=15)

        os.kill(workers[0], signal.SIGKILL)
        await until(lambda: served.workers not in ([], workers) and served.answers(), "another worker", within=15)
