"""The embedded Redis keeps its data, belongs to one process and comes back."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from agentsvc.kv import embedded
from agentsvc.kv.binary import find_server
from agentsvc.kv.embedded import EmbeddedRedis, NotStarted
from agentsvc.kv.lock import DirectoryInUse, DirectoryLock
from tests.processes import alive


def answers(server: EmbeddedRedis) -> bool:
    with redis.Redis.from_url(server.url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def test_data_is_kept_between_starts(tmp_path):
    with EmbeddedRedis(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        client.xadd("log", {"event": "hello"})

    with EmbeddedRedis(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        entries = client.xrange("log")

    assert [fields for _, fields in entries or ()] == [{b"event": b"hello"}]


def test_a_data_directory_is_made_for_its_owner_alone(tmp_path):
    home = tmp_path / "deep" / "down"

    with EmbeddedRedis(home) as server:
        socket = Path(server.url.removeprefix("unix://"))
        modes = [oct(path.stat().st_mode & 0o777) for path in (home, home / "valkey", home / "lock", socket)]

    assert modes == ["0o700", "0o700", "0o600", "0o700"]


def test_a_second_one_on_the_same_directory_is_told_who_has_it(tmp_path):
    with EmbeddedRedis(tmp_path) as server:
        with pytest.raises(DirectoryInUse) as refused:
            DirectoryLock(tmp_path).take(patience=0)

        assert answers(server)
    assert str(tmp_path) in str(refused.value)
    assert f"process {os.getpid()}" in str(refused.value)


def test_a_directory_is_free_again_after_stop(tmp_path):
    with EmbeddedRedis(tmp_path):
        pass

    with EmbeddedRedis(tmp_path) as server:
        assert answers(server)


def test_a_path_too_long_for_a_socket_is_no_obstacle(tmp_path):
    home = tmp_path / ("long" * 30)

    with EmbeddedRedis(home) as server:
        socket = Path(server.url.removeprefix("unix://"))
        assert answers(server)

    assert len(str(socket)) < 100
    assert not socket.parent.exists()


def test_a_path_with_odd_characters_is_a_url(tmp_path):
    with EmbeddedRedis(tmp_path / "a b%20c?d#e") as server:
        assert answers(server)


def test_a_server_that_cannot_start_says_why_and_lets_go(tmp_path):
    with EmbeddedRedis(tmp_path):
        pass
    for part in (tmp_path / "valkey" / "appendonlydir").glob("*.manifest"):
        part.write_text("this is no manifest\n")

    with pytest.raises(NotStarted, match="manifest"):
        EmbeddedRedis(tmp_path).start()

    DirectoryLock(tmp_path).take(patience=0)


async def test_a_server_that_is_killed_comes_back_with_its_data(tmp_path, until):
    with EmbeddedRedis(tmp_path) as server:
        with redis.Redis.from_url(server.url) as client:
            client.set("kept", "yes")
            client.execute_command("WAITAOF", 1, 0, 5000)
        first = server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)

        await until(lambda: server.pid != first and answers(server), "another server answers")

        with redis.Redis.from_url(server.url) as client:
            assert client.get("kept") == b"yes"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the environment of a process")
async def test_a_server_inherits_no_secret(tmp_path, until, monkeypatch):
    # The server overwrites what /proc shows of its environment: it is read before.
    shown = tmp_path / "server"
    shown.write_text(f'#!/bin/sh\ncat /proc/$$/environ > "$0.$$"\nexec {find_server()} "$@"\n')
    shown.chmod(0o700)
    monkeypatch.setattr(embedded, "find_server", lambda: shown)
    monkeypatch.setenv("AGENTSVC_SECRET_KEYS", "canary")
    monkeypatch.setenv("TZ", "UTC")

    with EmbeddedRedis(tmp_path) as server:
        first = server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: server.pid != first and answers(server), "another server answers")
    environments = [path.read_bytes().split(b"\0") for path in tmp_path.glob("server.*")]

    assert len(environments) == 2
    for environment in environments:
        assert b"TZ=UTC" in environment
        assert {each.partition(b"=")[0] for each in environment} <= {b"PATH", b"LANG", b"LC_CTYPE", b"TZ", b""}


async def test_a_server_that_is_stopped_is_not_started_again(tmp_path, until):
    server = EmbeddedRedis(tmp_path)
    server.start()
    pid = server.pid
    assert pid is not None

    server.stop()

    assert not alive(pid)
    assert server.pid == pid


PARENT = """
import sys, time
from pathlib import Path
from agentsvc.kv.embedded import EmbeddedRedis

server = EmbeddedRedis(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


async def test_a_server_ends_with_the_process_that_started_it(tmp_path, until):
    with subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()

        await until(lambda: not alive(pid), "the server has ended")

    with EmbeddedRedis(tmp_path) as server:
        assert answers(server)
