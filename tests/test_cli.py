"""The command line: what is refused before anything starts, and what is printed."""

import base64
import json
import socket

import anyio
import pytest
from click.testing import CliRunner

from agentsvc.cli import main
from agentsvc.domain.credentials import CredentialRecord
from agentsvc.domain.ids import OwnerId
from agentsvc.kv.lock import DirectoryLock
from agentsvc.storage.store import RedisStorage
from agentsvc.storage.vault import Keyring, Vault
from tests.redis_kinds.clients import connected

KEY = base64.b64encode(b"canary-key-of-exactly-32-bytes!!").decode()


@pytest.fixture
def agentsvc(tmp_path, logging_kept):
    """Run the command in an environment of its own; gives its result."""

    def run(*arguments, **environ):
        known = {"AGENTSVC_DATA_DIR": str(tmp_path), **environ}
        return CliRunner(env=known).invoke(main, arguments)

    return run


def test_check_config_prints_settings_without_secrets(agentsvc):
    result = agentsvc(
        "check-config", "--port", "9000", AGENTSVC_REDIS_URL="redis://:canary@redis", AGENTSVC_SECRET_KEYS=KEY
    )

    assert result.exit_code == 0
    assert json.loads(result.output)["port"] == 9000
    assert "canary" not in result.output
    assert KEY not in result.output


def test_check_config_says_what_serve_would_refuse(agentsvc):
    result = agentsvc("check-config", "--host", "0.0.0.0")

    assert result.exit_code == 1
    assert "--trust-user-header" in result.output


@pytest.mark.parametrize("command", ["serve", "check-config"])
def test_a_wrong_value_is_explained_in_one_line(agentsvc, command):
    result = agentsvc(command, "--port", "many")

    assert result.exit_code == 1
    assert result.output == "Error: AGENTSVC_PORT (--port): expected a port from 1 to 65535, not 'many'\n"


def test_keys_cannot_be_given_where_everyone_can_read_them(agentsvc):
    assert agentsvc("serve", "--secret-keys", KEY).exit_code == 2


def test_serve_refuses_a_public_address_with_the_placeholder(agentsvc):
    result = agentsvc("serve", "--host", "0.0.0.0")

    assert result.exit_code == 1
    assert "AGENTSVC_HOST 0.0.0.0" in result.output


def test_serve_refuses_a_redis_of_ones_own_without_keys(agentsvc):
    result = agentsvc("serve", "--redis-url", "redis://redis.invalid")

    assert result.exit_code == 1
    assert "AGENTSVC_SECRET_KEYS is needed" in result.output


@pytest.mark.parametrize("command", [("worker",), ("drain",), ("serve", "--no-worker")])
def test_what_shares_a_redis_with_other_commands_needs_one_that_can_be_shared(agentsvc, command):
    result = agentsvc(*command)

    assert result.exit_code == 1
    assert "needs a Redis of your own (AGENTSVC_REDIS_URL" in result.output


def test_a_worker_refuses_to_work_without_keys(agentsvc):
    result = agentsvc("worker", "--redis-url", "redis://redis.invalid")

    assert result.exit_code == 1
    assert "AGENTSVC_SECRET_KEYS is needed" in result.output


def test_serve_refuses_a_port_that_is_taken(agentsvc, tmp_path):
    with socket.socket() as taken:
        # As another agentsvc has it, with which the kernel would share it.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        result = agentsvc("serve", "--port", str(taken.getsockname()[1]))

    assert result.exit_code == 1
    assert "cannot be listened on" in result.output
    assert not list(tmp_path.iterdir())


def test_serve_refuses_a_data_directory_that_is_in_use(agentsvc, tmp_path):
    lock = DirectoryLock(tmp_path)
    lock.take()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    result = agentsvc("serve", "--port", str(port))
    lock.release()

    assert result.exit_code == 1
    assert f"{tmp_path} is in use" in result.output


OLD, NEW = b"o" * 32, b"n" * 32


def keys(*each):
    return ",".join(base64.b64encode(key).decode() for key in each)


def stored(redis_url, record=None):
    """Keep this credential; gives the one that is kept."""

    async def go():
        async with RedisStorage(redis_url) as storage:
            credentials = storage.of(OwnerId("ada")).credentials
            if record is not None:
                await credentials.create(record)
            return await credentials.get("c1")

    return anyio.run(go)


def test_rotate_keys_seals_everything_with_the_first_key(agentsvc, redis_url):
    sealed = Vault(Keyring([OLD])).seal(OwnerId("ada"), "c1", b"secret")
    stored(
        redis_url,
        CredentialRecord(user_id=OwnerId("ada"), id="c1", type="demo", name="mine", data={}, sealed=sealed),
    )

    result = agentsvc("rotate-keys", "--redis-url", redis_url, AGENTSVC_SECRET_KEYS=keys(NEW, OLD))

    assert result.exit_code == 0, result.output
    assert "1 sealed with the first key, 0 were already, 0 failed" in result.output
    assert Vault(Keyring([NEW])).open(OwnerId("ada"), "c1", stored(redis_url).sealed or "") == b"secret"


def test_rotate_keys_says_when_an_old_key_is_missing(agentsvc, redis_url):
    sealed = Vault(Keyring([OLD])).seal(OwnerId("ada"), "c1", b"secret")
    stored(
        redis_url,
        CredentialRecord(user_id=OwnerId("ada"), id="c1", type="demo", name="mine", data={}, sealed=sealed),
    )

    result = agentsvc("rotate-keys", "--redis-url", redis_url, AGENTSVC_SECRET_KEYS=keys(NEW))

    assert result.exit_code == 1
    assert "1 failed" in result.output
    assert "keep the old keys" in result.output


def test_rotate_keys_works_on_the_embedded_redis(agentsvc):
    result = agentsvc("rotate-keys")

    assert result.exit_code == 0, result.output
    assert "0 failed" in result.output


def leave(redis_url, *command):
    with connected(redis_url) as client:
        client.execute_command(*command)


def test_doctor_says_that_nothing_is_wrong(agentsvc, redis_url):
    result = agentsvc("doctor", "--redis-url", redis_url)

    assert result.exit_code == 0, result.output
    assert result.output.endswith("0 findings in 0 keys, of which 0 are not of agentsvc\n")


def test_doctor_finds_and_repairs_only_when_it_is_asked_to(agentsvc, redis_url):
    leave(redis_url, "SET", "{s:gone}:state", "{}")

    found, repaired, again = (agentsvc("doctor", "--redis-url", redis_url, *flags) for flags in ((), ("--repair",), ()))

    assert (found.exit_code, repaired.exit_code, again.exit_code) == (1, 0, 0)
    assert "orphan-key (1)" in found.output
    assert "{s:gone}:state  session gone  repaired" in repaired.output
    assert "orphan-key" not in again.output


def test_doctor_gives_programs_json(agentsvc, redis_url):
    leave(redis_url, "SET", "{s:gone}:state", "{}")
    leave(redis_url, "SET", "celery", "not ours", "EX", 60)

    result = agentsvc("doctor", "--redis-url", redis_url, "--json", "--repair")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "keys": 2,
        "foreign": 1,
        "recorded": False,
        "complete": True,
        "findings": [{"kind": "orphan-key", "key": "{s:gone}:state", "session": "gone", "repaired": True}],
    }


def test_doctor_repairs_with_the_settings_of_the_service(agentsvc, redis_url):
    leave(redis_url, "HSET", "{s:here}:run", "owner", "ada")
    leave(redis_url, "HSET", "{s:here}:run:r", "ended", "1")

    agentsvc("doctor", "--redis-url", redis_url, "--repair", "--run-keep-s", "60", "--max-runs-per-user", "1")

    with connected(redis_url) as client:
        assert 0 < client.pttl("{s:here}:run:r") <= 60_000
        client.delete("{s:here}:run")


def test_doctor_leaves_what_a_person_has_to_decide_and_says_so(agentsvc, redis_url):
    leave(redis_url, "SET", "{s:\x1b[31m}:run", "?", "EX", 60)

    result = agentsvc("doctor", "--redis-url", redis_url, "--repair")

    assert result.exit_code == 1
    assert "not repaired" in result.output
    assert "\x1b" not in result.output


def test_doctor_works_on_the_embedded_redis(agentsvc):
    result = agentsvc("doctor", "--repair")

    assert result.exit_code == 0, result.output
    assert "0 findings" in result.output


def test_doctor_says_when_redis_is_not_there(agentsvc, tmp_path):
    result = agentsvc("doctor", "--redis-url", f"unix://{tmp_path}/nowhere.sock")

    assert result.exit_code == 1
    assert result.output.startswith("Error: Redis cannot be reached: ")
