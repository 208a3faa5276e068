"""Rotation: all secrets move to the new key, also when it is cut off, and beside people who work."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import msgspec
import pytest

from agentsvc.domain.credentials import CredentialRecord
from agentsvc.domain.ids import OwnerId
from agentsvc.kv.client import Command, Redis
from agentsvc.kv.errors import Unreachable
from agentsvc.storage.collection import SWAP
from agentsvc.storage.rotation import Rotation, rotate
from agentsvc.storage.store import Records
from agentsvc.storage.vault import Keyring, Vault
from tests.storage.examples import ADA, agent, credential
from tests.storage.losing import LosingRedis

OLD, NEW = b"o" * 32, b"n" * 32
OWNERS = [OwnerId("ada"), OwnerId("bob:{}"), OwnerId("名前")]


class DyingRedis(Redis):
    """The process ends after this many records have been rewrapped."""

    swaps = 7

    async def all(self, *commands: Command) -> list[Any]:
        self.swaps -= sum(command[1] == SWAP.sha for command in commands)
        if self.swaps < 0:
            raise Unreachable("the process has ended")
        return await super().all(*commands)


async def sealed(kv: Redis, key: bytes = OLD, owners: Sequence[OwnerId] = OWNERS, each: int = 10) -> None:
    vault = Vault(Keyring([key]))
    for owner in owners:
        for number in range(each):
            name = f"c:{number}"
            await Records(kv, owner).credentials.create(
                credential(owner, name, vault.seal(owner, name, f"{owner} {number}".encode()))
            )


async def opened(kv: Redis, key: bytes) -> list[str]:
    vault, secrets = Vault(Keyring([key])), list[str]()
    for owner in OWNERS:
        for record in (await Records(kv, owner).credentials.page(100)).items:
            assert record.sealed is not None
            secrets.append(vault.open(owner, record.id, record.sealed).decode())
    return sorted(secrets)


EVERY_SECRET = sorted(f"{owner} {number}" for owner in OWNERS for number in range(10))


@pytest.mark.parametrize("batch", [1, 7, 200])
async def test_afterwards_the_old_key_is_not_needed(kv: Redis, batch: int) -> None:
    await sealed(kv)

    counts = await rotate(kv, Keyring([NEW, OLD]), batch=batch)

    assert counts == Rotation(rewrapped=30, current=0, failed=0)
    assert await opened(kv, NEW) == EVERY_SECRET


async def test_a_second_time_there_is_nothing_to_do(kv: Redis) -> None:
    await sealed(kv)
    await rotate(kv, Keyring([NEW, OLD]))

    assert await rotate(kv, Keyring([NEW, OLD])) == Rotation(rewrapped=0, current=30, failed=0)


async def test_it_goes_on_after_it_was_cut_off(redis_url: str, kv: Redis) -> None:
    await sealed(kv)
    async with DyingRedis(redis_url) as dying:
        with pytest.raises(Unreachable):
            await rotate(dying, Keyring([NEW, OLD]), batch=5)
    both = Vault(Keyring([NEW, OLD]))
    for record in (await Records(kv, ADA).credentials.page(100)).items:
        assert record.sealed is not None
        both.open(ADA, record.id, record.sealed)

    counts = await rotate(kv, Keyring([NEW, OLD]))

    assert counts == Rotation(rewrapped=23, current=7, failed=0)
    assert await opened(kv, NEW) == EVERY_SECRET


async def test_each_step_can_be_sent_twice(kv: Redis, losing: LosingRedis) -> None:
    await sealed(kv)

    assert await rotate(losing, Keyring([NEW, OLD])) == Rotation(rewrapped=30, current=0, failed=0)

    assert await opened(kv, NEW) == EVERY_SECRET


async def test_version_time_and_what_is_not_known_stay(kv: Redis, records: Records) -> None:
    secret = Vault(Keyring([OLD])).seal(ADA, "c1", b"secret")
    record = credential(record_id="c1", sealed=secret)
    await records.credentials.create(record)
    key = records.credentials.keys.record + "c1"
    await kv.run("SET", key, msgspec.json.encode(msgspec.to_builtins(record) | {"novelty": [1]}))

    await rotate(kv, Keyring([NEW, OLD]))

    stored = msgspec.json.decode(await kv.run("GET", key))
    assert stored["sealed"] != secret
    assert stored | {"sealed": secret} == msgspec.to_builtins(record) | {"novelty": [1]}


async def test_what_is_no_sealed_credential_is_left_alone(kv: Redis, records: Records) -> None:
    await records.credentials.create(credential())
    await records.agents.create(agent(record_id="x:credential:y"))

    assert await rotate(kv, Keyring([NEW, OLD])) == Rotation(rewrapped=0, current=1, failed=0)


async def test_what_cannot_be_rewrapped_is_counted_and_named(
    kv: Redis, records: Records, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere = Vault(Keyring([OLD])).seal(ADA, "another", b"secret")
    foreign = Vault(Keyring([b"x" * 32])).seal(ADA, "unknown-key", b"secret")
    await records.credentials.create(credential(record_id="copied", sealed=elsewhere))
    await records.credentials.create(credential(record_id="unknown-key", sealed=foreign))
    await records.credentials.create(credential(record_id="broken"))
    await kv.run("SET", records.credentials.keys.record + "broken", b'{"user_id":"\xff"}')
    await sealed(kv, owners=[ADA])

    counts = await rotate(kv, Keyring([NEW, OLD]))

    assert counts == Rotation(rewrapped=10, current=0, failed=3)
    assert all(name in caplog.text for name in ("copied", "unknown-key", "broken"))


async def test_an_edit_at_the_same_time_is_not_lost(redis_url: str, kv: Redis, records: Records) -> None:
    await sealed(kv, owners=[ADA], each=1)
    rename = partial(msgspec.structs.replace, name="renamed")

    class Edited(Redis):
        edits = 2

        async def all(self, *commands: Command) -> list[Any]:
            if any(command[1] == SWAP.sha for command in commands) and self.edits:
                self.edits -= 1
                await records.credentials.update("c:0", rename)
            return await super().all(*commands)

    async with Edited(redis_url) as edited:
        counts = await rotate(edited, Keyring([NEW, OLD]))

    record: CredentialRecord = await records.credentials.get("c:0")
    assert counts == Rotation(rewrapped=1, current=0, failed=0)
    assert (record.name, record.version) == ("renamed", 3)
    assert record.sealed is not None
    assert Vault(Keyring([NEW])).open(ADA, "c:0", record.sealed) == b"ada 0"


async def test_it_does_not_disturb_an_update_of_a_version(redis_url: str, kv: Redis, records: Records) -> None:
    await sealed(kv, owners=[ADA], each=1)

    class Rotated(Redis):
        async def all(self, *commands: Command) -> list[Any]:
            if any(command[1] == SWAP.sha for command in commands):
                await rotate(kv, Keyring([NEW, OLD]))
            return await super().all(*commands)

    async with Rotated(redis_url) as rotated:
        rename = partial(msgspec.structs.replace, name="renamed")
        after = await Records(rotated, ADA).credentials.update("c:0", rename, version=1)

    assert await records.credentials.get("c:0") == after
    assert (after.name, after.version) == ("renamed", 2)
    assert after.sealed is not None
    assert Vault(Keyring([NEW])).open(ADA, "c:0", after.sealed) == b"ada 0"
