"""The key file is made once, for its owner alone."""

import base64
from concurrent.futures import ThreadPoolExecutor

from agentsvc.keyfile import load_or_create_keys
from agentsvc.settings import Settings


def test_the_first_time_a_key_is_made_that_the_settings_take(tmp_path):
    text = load_or_create_keys(tmp_path / "new")

    settings = Settings.from_env({}, secret_keys=text)

    assert settings.secret_keys == (base64.b64decode(text),)
    assert (tmp_path / "new" / "secret.keys").stat().st_mode & 0o777 == 0o600


def test_the_same_keys_are_read_the_next_time(tmp_path):
    assert load_or_create_keys(tmp_path) == load_or_create_keys(tmp_path)


def test_all_that_make_it_at_the_same_time_get_the_same(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        texts = set(pool.map(lambda _: load_or_create_keys(tmp_path), range(64)))

    assert len(texts) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret.keys"]


def test_a_key_put_on_top_becomes_the_first(tmp_path):
    old = load_or_create_keys(tmp_path)
    new = base64.b64encode(b"n" * 32).decode()
    path = tmp_path / "secret.keys"

    path.write_text(f"{new}\n{path.read_text()}")

    assert load_or_create_keys(tmp_path) == f"{new},{old}"
