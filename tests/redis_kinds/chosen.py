"""The kind of Redis that this run of the tests is for: ``AGENTSVC_TEST_REDIS``, else the embedded one."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import pytest

from tests.redis_kinds.cluster import Cluster, cluster
from tests.redis_kinds.containers import REDIS, VALKEY, Container, container
from tests.redis_kinds.sentinel import Sentinel, sentinel
from tests.redis_kinds.server import Server
from tests.redis_kinds.standalone import standalone

Kind = Server | Sentinel | Cluster | Container

_KINDS: dict[str, Callable[..., AbstractContextManager[Kind]]] = {
    "valkey": standalone,
    "redis": partial(standalone, oldest=True),
    "sentinel": sentinel,
    "cluster": cluster,
    "redis-container": partial(container, image=REDIS),
    "valkey-container": partial(container, image=VALKEY),
}

CHOSEN = os.environ.get("AGENTSVC_TEST_REDIS") or "valkey"


def only_standalone(reason: str) -> pytest.MarkDecorator:
    """For a test that says nothing of other kinds, for that reason."""
    return pytest.mark.skipif(CHOSEN not in ("valkey", "redis"), reason=reason)


def chosen(*arguments: str) -> AbstractContextManager[Kind]:
    """An empty one until the end of the block; ``arguments`` are added to the command line of each server."""
    return _KINDS[CHOSEN](*arguments)
