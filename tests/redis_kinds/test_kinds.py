"""The kinds of Redis that tests start are what they say they are, and end with their blocks."""

import os
import signal

import pytest
import redis
from redis.exceptions import NoPermissionError

from tests.processes import alive
from tests.redis_kinds.acl import acl
from tests.redis_kinds.chosen import chosen
from tests.redis_kinds.clients import connected
from tests.redis_kinds.cluster import cluster
from tests.redis_kinds.sentinel import sentinel
from tests.redis_kinds.server import DEBIAN, until
from tests.redis_kinds.standalone import standalone
from tests.redis_kinds.tls import tls

brought = pytest.mark.skipif(DEBIAN is None, reason="there is no redis-server beside the embedded one")


def test_a_server_that_is_killed_comes_back_with_what_it_has_kept():
    with standalone(aof=True) as server, connected(server.url) as client:
        client.set("key", "value")
        before = server.pid

        server.restart()

        assert client.get("key") == b"value"
        assert server.pid != before
    assert not alive(server.pid)


def test_a_server_that_is_held_still_says_nothing():
    with standalone(tcp=True) as server, redis.Redis.from_url(server.url, socket_timeout=0.1, retry=None) as client:
        with server.pause(), pytest.raises(redis.TimeoutError):
            client.ping()
        until(client.ping, "it answers again")


def test_what_is_killed_and_what_stands_still_ends_with_the_block():
    with standalone() as first, standalone() as second:
        first.kill()
        os.kill(second.pid, signal.SIGSTOP)

    assert not alive(first.pid)
    assert not alive(second.pid)


def test_a_replica_takes_the_place_of_a_master_that_is_killed():
    with sentinel() as kind, connected(kind.url) as client:
        client.set("key", "value")

        killed = kind.kill_master()
        until(lambda: kind.master() is not killed, "there is another master")
        until(lambda: client.get("key") == b"value", "it is found there")
        kind.revive()

        assert kind.master() is not killed
        assert killed.alive
    assert not any(alive(server.pid) for server in (*kind.nodes.values(), *kind.sentinels.values()))


def test_a_replica_takes_the_place_of_a_node_that_is_killed():
    with cluster() as kind, connected(kind.url) as client:
        for number in range(100):
            client.set(f"key{number}", number)

        killed = kind.kill_master("key7")
        until(lambda: kind.master("key7") is not killed, "there is another master")
        until(lambda: client.get("key7") == b"7", "it is found there")
        kind.revive()

        assert [client.get(f"key{number}") for number in range(100)] == [b"%d" % number for number in range(100)]
        client.flushall()
        assert list(client.scan_iter()) == []
    assert not any(alive(server.pid) for server in kind.nodes.values())


@brought
@pytest.mark.parametrize("mutual", [False, True])
def test_nobody_is_heard_over_tls_who_trusts_no_authority(mutual):
    with tls(mutual=mutual) as kind:
        with connected(kind.proving_url) as client:
            assert client.ping()
        with connected(kind.bare_url) as client, pytest.raises(redis.ConnectionError):
            client.ping()
        with connected(kind.url) as client:
            if mutual:
                with pytest.raises(redis.ConnectionError):
                    client.ping()
            else:
                assert client.ping()


def test_a_user_may_do_what_the_rules_say_and_no_more():
    with acl("~{*}* +get") as kind, connected(kind.url) as client:
        assert client.get("{a}") is None
        with pytest.raises(NoPermissionError):
            client.get("a")
        with pytest.raises(NoPermissionError):
            client.set("{a}", "")
        with connected(kind.nameless_url) as nobody, pytest.raises(redis.AuthenticationError):
            nobody.ping()


def test_connections_and_channels_are_seen_on_every_kind():
    with chosen() as kind, connected(kind.url) as client:
        assert client.pubsub_channels("{w:*}") == []
        assert client.client_kill_filter(_type="pubsub") == 0
