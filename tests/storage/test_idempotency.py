"""Idempotency keys: carried out once, answered as often as asked."""

import asyncio

import pytest

from agentsvc.domain.errors import Conflict, Invalid
from agentsvc.kv.client import Redis
from agentsvc.storage.idempotency import Answer, Claim, IdempotencyKeys
from tests.conftest import Until
from tests.storage.examples import ADA, BOB
from tests.storage.losing import LosingRedis

ANSWER = Answer(status=201, body=b'{"agent_id":"\xff\x00"}', media_type="application/json")


@pytest.fixture
def keys(kv: Redis) -> IdempotencyKeys:
    return IdempotencyKeys(kv, ADA)


async def claimed(keys: IdempotencyKeys, key: str = "key", fingerprint: str = "POST /agent") -> Claim:
    claim = await keys.claim(key, fingerprint)
    assert isinstance(claim, Claim)
    return claim


async def test_a_repeat_gets_the_first_answer(keys: IdempotencyKeys) -> None:
    claim = await claimed(keys)
    await keys.keep(claim, ANSWER)

    assert await keys.claim("key", "POST /agent") == ANSWER
    assert await keys.claim("key", "POST /agent") == ANSWER


async def test_of_many_at_once_one_is_carried_out(keys: IdempotencyKeys) -> None:
    answers = await asyncio.gather(*(keys.claim("key", "POST /agent") for _ in range(50)), return_exceptions=True)

    assert sum(isinstance(answer, Claim) for answer in answers) == 1
    assert sum(isinstance(answer, Conflict) for answer in answers) == 49


async def test_the_same_key_with_another_request_is_refused(keys: IdempotencyKeys) -> None:
    claim = await claimed(keys)

    with pytest.raises(Invalid, match="another request"):
        await keys.claim("key", "POST /credential")
    await keys.keep(claim, ANSWER)
    with pytest.raises(Invalid, match="another request"):
        await keys.claim("key", "POST /credential")


async def test_a_key_belongs_to_its_owner(kv: Redis, keys: IdempotencyKeys) -> None:
    await keys.keep(await claimed(keys), ANSWER)

    await claimed(IdempotencyKeys(kv, BOB))
    await claimed(keys, "kEy")


async def test_a_freed_key_can_be_claimed_again(keys: IdempotencyKeys) -> None:
    await keys.free(await claimed(keys))

    await claimed(keys, fingerprint="POST /credential")


async def test_a_claim_of_a_process_that_died_runs_out(kv: Redis, until: Until) -> None:
    keys = IdempotencyKeys(kv, ADA, claim_s=0.05)
    first = await claimed(keys)

    async def claim_again() -> Claim | None:
        try:
            return await claimed(keys)
        except Conflict:
            return None

    second: Claim = await until(claim_again, "the key is free")

    await keys.keep(second, ANSWER)
    await keys.keep(first, Answer(status=500))
    await keys.free(first)
    assert await keys.claim("key", "POST /agent") == ANSWER


async def test_an_answer_that_took_longer_than_the_claim_is_kept(kv: Redis, until: Until) -> None:
    keys = IdempotencyKeys(kv, ADA, claim_s=0.01)
    claim = await claimed(keys)

    async def run_out() -> bool:
        return not await kv.run("EXISTS", claim.key)

    await until(run_out, "the claim has run out")

    await keys.keep(claim, ANSWER)

    assert await keys.claim("key", "POST /agent") == ANSWER


async def test_every_key_has_a_lifetime(kv: Redis, keys: IdempotencyKeys) -> None:
    claim = await claimed(keys)
    assert 0 < await kv.run("TTL", claim.key) <= 60

    await keys.keep(claim, ANSWER)

    assert 86_000 < await kv.run("TTL", claim.key) <= 86_400


async def test_each_step_can_be_sent_twice(losing: LosingRedis) -> None:
    keys = IdempotencyKeys(losing, ADA)

    await keys.free(await claimed(keys))
    await keys.keep(await claimed(keys), ANSWER)

    assert await keys.claim("key", "POST /agent") == ANSWER
