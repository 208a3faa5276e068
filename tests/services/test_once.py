"""A request with an idempotency key is carried out once."""

import asyncio

import pytest
from msgspec import Struct

from agentsvc.domain.errors import Conflict, Invalid, NotFound
from agentsvc.domain.ids import NewId
from agentsvc.kv.errors import Unreachable
from agentsvc.services.once import Once
from agentsvc.storage.store import RedisStorage
from tests.services.conftest import ADA, BEA


class Made(Struct, frozen=True):
    number: int


class Counter:
    def __init__(self) -> None:
        self.count = 0

    async def act(self, _: NewId) -> Made:
        self.count += 1
        return Made(self.count)


@pytest.fixture
def once(storage: RedisStorage) -> Once:
    return Once(storage)


async def test_the_second_time_the_first_answer_is_given(once: Once):
    counter = Counter()

    answers = [await once.do(ADA, "k", "f", counter.act, Made) for _ in range(2)]

    assert answers == [Made(1), Made(1)]


async def test_keys_belong_to_their_owner(once: Once):
    counter = Counter()

    answers = [await once.do(owner, "k", "f", counter.act, Made) for owner in (ADA, BEA)]

    assert answers == [Made(1), Made(2)]


async def test_a_key_stands_for_one_request(once: Once):
    counter = Counter()
    await once.do(ADA, "k", "f", counter.act, Made)

    with pytest.raises(Invalid):
        await once.do(ADA, "k", "g", counter.act, Made)

    assert counter.count == 1


async def test_while_it_is_carried_out_the_same_request_is_told_to_wait(once: Once):
    release = asyncio.Event()
    begun = asyncio.Event()

    async def slow(_: NewId) -> Made:
        begun.set()
        await release.wait()
        return Made(1)

    first = asyncio.create_task(once.do(ADA, "k", "f", slow, Made))
    await begun.wait()

    with pytest.raises(Conflict):
        await once.do(ADA, "k", "f", slow, Made)
    release.set()

    assert await first == Made(1)


async def test_what_was_refused_may_be_tried_again(once: Once):
    async def refuse(_: NewId) -> Made:
        raise NotFound

    with pytest.raises(NotFound):
        await once.do(ADA, "k", "f", refuse, Made)

    assert await once.do(ADA, "k", "f", Counter().act, Made) == Made(1)


async def test_what_may_have_been_done_is_not_done_again_at_once(once: Once):
    async def break_off(_: NewId) -> Made:
        raise Unreachable("no answer")

    with pytest.raises(Unreachable):
        await once.do(ADA, "k", "f", break_off, Made)

    with pytest.raises(Conflict):
        await once.do(ADA, "k", "f", Counter().act, Made)


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_key_has_a_length(once: Once, key: str):
    with pytest.raises(Invalid):
        await once.do(ADA, key, "f", Counter().act, Made)
