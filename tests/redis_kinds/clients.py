"""Raw clients: what an operator sees of a Redis, whatever kind it is."""

from collections.abc import Generator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.sentinel import Sentinel


@contextmanager
def connected(url: str) -> Generator[redis.Redis]:
    """A client for any URL of the service. Commands without a key are for all masters of a cluster."""
    with closing(_connect(url)) as client:
        yield client


def _connect(url: str) -> redis.Redis:
    parts = urlsplit(url)
    match parts.scheme:
        case "redis+sentinel":
            master: redis.Redis = Sentinel(_addresses(parts.netloc)).master_for(parts.path.strip("/"))
            return master
        case "redis+cluster":
            return _of_cluster(_addresses(parts.netloc))
        case _:
            return redis.Redis.from_url(url)


def _addresses(netloc: str) -> list[tuple[str, int]]:
    pairs = (address.rpartition(":") for address in netloc.rpartition("@")[2].split(","))
    return [(host, int(port)) for host, _, port in pairs]


def _of_cluster(addresses: list[tuple[str, int]]) -> redis.Redis:
    """It does what the other one does, as far as tests ask for it.

    Connections and channels are those of all nodes.
    """
    client: Any = RedisCluster(startup_nodes=[ClusterNode(host, port) for host, port in addresses])
    everywhere = {"target_nodes": RedisCluster.ALL_NODES}
    kill = partial(client.client_kill_filter, **everywhere)
    client.client_kill_filter = lambda **filters: sum(kill(**filters).values())
    client.pubsub_channels = partial(client.pubsub_channels, **everywhere)
    client.pubsub_shardchannels = partial(client.pubsub_shardchannels, **everywhere)
    client.pubsub_shardnumsub = partial(client.pubsub_shardnumsub, **everywhere)
    return cast("redis.Redis", client)
