"""What tests of the storage are given: a connection, one that loses answers, and an owner's records."""

from collections.abc import AsyncIterator

import pytest

from agentsvc.kv.client import Redis
from agentsvc.storage.store import Records
from tests.storage.examples import ADA
from tests.storage.losing import LosingRedis


@pytest.fixture
async def kv(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis(redis_url) as redis:
        yield redis


@pytest.fixture
async def losing(redis_url: str) -> AsyncIterator[LosingRedis]:
    async with LosingRedis(redis_url) as redis:
        yield redis


@pytest.fixture
def records(kv: Redis) -> Records:
    return Records(kv, ADA)
