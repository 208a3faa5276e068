"""Settings are read from the environment and flags, explain what is wrong and give no secret away."""

import base64

import msgspec
import pytest

from agentsvc.settings import RUNTIME, Settings, check_serve
from agentsvc.variables import VARIABLES, SettingsError

KEY = base64.b64encode(b"k" * 32).decode()
OTHER = base64.b64encode(b"o" * 32).decode()


def test_nothing_is_needed():
    settings = Settings.from_env({"HOME": "/home/ada"})

    assert (settings.host, settings.port, settings.redis_url) == ("127.0.0.1", 8000, None)
    assert settings.data_dir == "/home/ada/.local/share/agentsvc"
    check_serve(settings)


def test_the_environment_is_read():
    settings = Settings.from_env(
        {
            "AGENTSVC_HOST": "::1",
            "AGENTSVC_PORT": "9000",
            "AGENTSVC_REDIS_URL": "rediss://redis.internal:6380/0",
            "AGENTSVC_DATA_DIR": "/srv/agents",
            "AGENTSVC_SECRET_KEYS": f"{KEY}, {OTHER}",
            "AGENTSVC_ALLOW_PRIVATE": "model=10.0.0.0/8,model=ollama.lan, webhook=192.168.1.2",
            "AGENTSVC_TRUST_USER_HEADER": "true",
            "AGENTSVC_LOG_LEVEL": "WARNING",
            "AGENTSVC_LOG_FORMAT": "json",
            "AGENTSVC_LEASE_S": "2.5",
        }
    )

    assert (settings.host, settings.port, settings.data_dir) == ("::1", 9000, "/srv/agents")
    assert settings.secret_keys == (b"k" * 32, b"o" * 32)
    assert settings.allow_private == {"model": ("10.0.0.0/8", "ollama.lan"), "webhook": ("192.168.1.2",)}
    assert settings.trust_user_header
    assert (settings.log.level, settings.log.format) == ("warning", "json")
    assert settings.lease_s == 2.5


def test_a_flag_comes_before_the_environment():
    environ = {"AGENTSVC_PORT": "9000", "AGENTSVC_WORKERS": "3"}

    settings = Settings.from_env(environ, port="9001", workers=None)

    assert (settings.port, settings.workers) == (9001, 3)


def test_an_empty_variable_is_not_set():
    assert Settings.from_env({"AGENTSVC_REDIS_URL": "", "AGENTSVC_PORT": ""}).port == 8000


def test_a_flag_is_named_like_its_variable():
    for name, variable in VARIABLES.items():
        assert variable.name == "AGENTSVC_" + name.upper()
        assert variable.flag == "--" + name.replace("_", "-")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HOST", "two words"),
        ("HOST", "-o"),
        ("PORT", "http"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("WORKERS", "0"),
        ("REDIS_URL", "http://redis"),
        ("REDIS_URL", "redis://"),
        ("REDIS_URL", "unix://relative/path"),
        ("REDIS_URL", "unix://host/run/redis.sock"),
        ("REDIS_URL", "redis+sentinel://one:26379,two:26379/main/x"),
        ("REDIS_URL", "redis+cluster://one:7000,two:7000/1"),
        ("SECRET_KEYS", "hunter2"),
        ("SECRET_KEYS", base64.b64encode(b"short").decode()),
        ("SECRET_KEYS", f"{KEY},{KEY}"),
        ("SECRET_KEYS", f"{KEY},"),
        ("ALLOW_PRIVATE", "10.0.0.0/8"),
        ("ALLOW_PRIVATE", "shell=10.0.0.0/8"),
        ("ALLOW_PRIVATE", "model=10.0.0.1/8"),
        ("ALLOW_PRIVATE", "model="),
        ("TRUST_USER_HEADER", "maybe"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
        ("MAX_BODY", "10MB"),
        ("LEASE_S", "nan"),
        ("DRAIN_S", "inf"),
    ],
)
def test_an_error_names_the_variable_and_what_was_expected(name, text):
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({f"AGENTSVC_{name}": text})

    assert str(refused.value).startswith(f"AGENTSVC_{name}")
    assert "expected" in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "rediss://user:pass@redis:6380/0",
        "unix:///run/redis.sock",
        "redis+sentinel://one,two:7000/main",
        "rediss+cluster://user:pass@one,two?ssl_ca_certs=/ca.pem",
    ],
)
def test_every_kind_of_redis_can_be_named(url):
    assert Settings.from_env({"AGENTSVC_REDIS_URL": url}).redis_url == url


def test_what_is_wrong_with_a_redis_is_said():
    with pytest.raises(SettingsError, match=r"^AGENTSVC_REDIS_URL .*: a Cluster has only the database 0"):
        Settings.from_env({"AGENTSVC_REDIS_URL": "redis+cluster://one:7000/1"})


@pytest.mark.parametrize(
    ("name", "text"),
    [("AGENTSVC_SECRET_KEYS", "canary-secret"), ("AGENTSVC_REDIS_URL", "http://:canary-secret@redis")],
)
def test_an_error_does_not_repeat_a_secret(name, text):
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({name: text})

    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:canary@redis:6379/0", "redis://:**********@redis:6379/0"),
        ("redis://ada:can@ary@redis", "redis://ada:**********@redis"),
        ("unix://ada:canary@/run/redis.sock", "unix://ada:**********@/run/redis.sock"),
        ("redis://redis?password=canary&db=0", "redis://redis?password=**********&db=0"),
        ("redis://redis:6379", "redis://redis:6379"),
    ],
)
def test_what_is_printed_has_no_secret(url, shown):
    settings = Settings.from_env({"AGENTSVC_SECRET_KEYS": KEY, "AGENTSVC_REDIS_URL": url})

    for text in (repr(settings), str(settings), msgspec.json.encode(settings.masked()).decode()):
        assert KEY not in text
        assert "canary" not in text
    assert settings.masked()["redis_url"] == shown
    assert settings.masked()["secret_keys"] == ["**********"]


def test_workers_are_handed_all_settings_and_keep_none_in_the_environment():
    settings = Settings.from_env({"AGENTSVC_SECRET_KEYS": KEY, "AGENTSVC_ALLOW_PRIVATE": "mcp=::1"}, log_format="json")
    environ = {RUNTIME: settings.for_runtime(), "AGENTSVC_PORT": "1234"}

    assert Settings.from_runtime(environ) == settings
    assert RUNTIME not in environ


def test_without_serve_the_environment_counts():
    assert Settings.from_runtime({"AGENTSVC_PORT": "1234"}).port == 1234


def test_an_ollama_beside_the_embedded_redis_may_be_reached_and_nothing_else():
    assert Settings.from_env({}).allow_private == {"model": ("127.0.0.1",)}
    assert Settings.from_env({"AGENTSVC_ALLOW_PRIVATE": "mcp=::1"}).allow_private == {"mcp": ("::1",)}
    assert Settings.from_env({"AGENTSVC_REDIS_URL": "redis://redis"}).allow_private == {}


def test_a_redis_of_ones_own_needs_keys():
    with pytest.raises(SettingsError, match="AGENTSVC_SECRET_KEYS"):
        check_serve(Settings.from_env({"AGENTSVC_REDIS_URL": "redis://redis"}))

    check_serve(Settings.from_env({"AGENTSVC_REDIS_URL": "redis://redis", "AGENTSVC_SECRET_KEYS": KEY}))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "agents.example"])
def test_a_public_address_needs_somebody_who_sets_the_header(host):
    with pytest.raises(SettingsError, match="--trust-user-header"):
        check_serve(Settings.from_env({"AGENTSVC_HOST": host}))

    check_serve(Settings.from_env({"AGENTSVC_HOST": host, "AGENTSVC_TRUST_USER_HEADER": "1"}))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_nothing(host):
    check_serve(Settings.from_env({"AGENTSVC_HOST": host}))
