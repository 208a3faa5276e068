"""A server that answers but takes no writes is found out."""

from typing import Any

import pytest
import redis

from agentsvc.kv.client import Redis
from agentsvc.kv.probe import probe
from tests.fakes.refusals import REFUSALS, Refusal
from tests.redis_kinds.chosen import only_standalone
from tests.redis_kinds.clients import connected


async def test_what_is_written_goes_by_itself(redis_url: str) -> None:
    async with Redis(redis_url) as asking:
        await probe(asking)

    client: Any
    with connected(redis_url) as client:
        assert [0 < client.pttl(key) <= 5_000 for key in client.scan_iter("*probe*")] == [True]


@only_standalone("one server is told to refuse")
@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
async def test_the_reason_of_a_refusal_is_told(redis_url: str, refusal: Refusal) -> None:
    with redis.Redis.from_url(redis_url) as operator:
        async with Redis(redis_url) as asking:
            with refusal.of(operator), pytest.raises(ConnectionError, match=refusal.told):
                await probe(asking)

            await probe(asking)


async def test_a_connection_that_was_cut_is_no_refusal(redis_url: str) -> None:
    async with Redis(redis_url) as asking:
        await probe(asking)
        with connected(redis_url) as operator:
            operator.client_kill_filter(_type="normal", skipme=True)

        await probe(asking)
