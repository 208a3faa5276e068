"""The check that every key has an owner or a lifetime finds those that have neither."""

import pytest

from tests.keyleak import leaked
from tests.redis_kinds.clients import connected


@pytest.fixture
def client(redis_url):
    with connected(redis_url) as client:
        yield client
        client.flushall()


@pytest.mark.parametrize("key", ["{o:ada}:agent", "{o:ada}:agent:1", "{q:0}:runs", "{q:12}:expiring"])
def test_records_and_queues_may_stay(client, key):
    client.set(key, "")

    assert leaked(client) == []


@pytest.mark.parametrize(
    "key",
    [
        *("loose", "{s:1}:log", "{o:}:agent", "{q:x}:runs", "o:ada:agent", "{q:0}:unheard-of", "{o:ada}:secret:1"),
        *("{o:ada}:wrote:" + 32 * "0", "{o:ada}:idempotency:" + 32 * "0", "{w:1}:presence"),
    ],
)
def test_what_nobody_owns_is_found(client, key):
    client.set(key, "")

    assert leaked(client) == [key.encode()]


def test_a_lifetime_is_enough(client):
    client.set("loose", "", ex=60)

    assert leaked(client) == []


def test_what_belongs_to_a_session_may_stay_while_it_lives(client):
    client.hset("{s:1}:run", "seq", 1)
    client.set("{s:1}:log", "")
    client.set("{s:1}:strange", "")
    client.set("{s:2}:log", "")

    assert leaked(client) == [b"{s:1}:strange", b"{s:2}:log"]
