"""The vault: a secret opens for its owner and record alone, and shows itself nowhere else."""

from base64 import b64decode, b64encode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsvc.domain.ids import OwnerId
from agentsvc.kv.client import Redis
from agentsvc.storage.store import Records
from agentsvc.storage.vault import Keyring, Unsealable, Vault
from tests.storage.examples import ADA, BOB, credential

CANARY = b"sk-canary-0123456789"
OLD, NEW = b"o" * 32, b"n" * 32


@pytest.fixture
def vault() -> Vault:
    return Vault(Keyring([OLD]))


@given(owner=st.text(), record_id=st.text(), data=st.binary())
def test_what_was_sealed_opens_again(owner: str, record_id: str, data: bytes) -> None:
    vault = Vault(Keyring([OLD]))

    assert vault.open(OwnerId(owner), record_id, vault.seal(OwnerId(owner), record_id, data)) == data


@pytest.mark.parametrize(
    ("owner", "record_id"),
    [("bob", "c1"), ("ada", "c2"), ("adac", "1"), ("ad", "ac1"), ("adac1", ""), ("", "adac1"), ("c1", "ada")],
)
def test_a_secret_does_not_open_elsewhere(vault: Vault, owner: str, record_id: str) -> None:
    sealed = vault.seal(ADA, "c1", CANARY)

    with pytest.raises(Unsealable, match="another record"):
        vault.open(OwnerId(owner), record_id, sealed)
    with pytest.raises(Unsealable, match="another record"):
        Vault(Keyring([NEW, OLD])).rewrap(OwnerId(owner), record_id, sealed)


def test_a_secret_does_not_open_for_another_purpose(vault: Vault) -> None:
    sealed = vault.seal(ADA, "c1", CANARY)

    with pytest.raises(Unsealable):
        Vault(Keyring([OLD]), "webhook").open(ADA, "c1", sealed)


def test_a_changed_byte_is_noticed_wherever_it_is(vault: Vault) -> None:
    sealed = b64decode(vault.seal(ADA, "c1", CANARY))

    for place in range(len(sealed)):
        changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        with pytest.raises(Unsealable):
            vault.open(ADA, "c1", b64encode(changed).decode())


def test_parts_of_two_secrets_do_not_make_a_third(vault: Vault) -> None:
    first, second = (msgspec.msgpack.decode(b64decode(vault.seal(ADA, "c1", data))) for data in (b"one", b"two"))

    for place in (2, 3):
        mixed = [*first[:place], second[place], *first[place + 1 :]]
        with pytest.raises(Unsealable):
            vault.open(ADA, "c1", b64encode(msgspec.msgpack.encode(mixed)).decode())


@pytest.mark.parametrize(
    "sealed", ["", "x", "ä", "AAAA", b64encode(b"\x91" * 5000).decode(), b64encode(CANARY).decode()]
)
def test_what_is_no_secret_does_not_open(vault: Vault, sealed: str) -> None:
    with pytest.raises(Unsealable, match="cannot be read"):
        vault.open(ADA, "c1", sealed)


def test_the_same_secret_is_sealed_differently_each_time(vault: Vault) -> None:
    assert vault.seal(ADA, "c1", CANARY) != vault.seal(ADA, "c1", CANARY)


def test_the_first_key_seals_and_all_open(vault: Vault) -> None:
    both = Vault(Keyring([NEW, OLD]))

    assert both.open(ADA, "c1", vault.seal(ADA, "c1", CANARY)) == CANARY
    assert Vault(Keyring([NEW])).open(ADA, "c1", both.seal(ADA, "c1", CANARY)) == CANARY
    with pytest.raises(Unsealable, match="which this service does not have"):
        vault.open(ADA, "c1", both.seal(ADA, "c1", CANARY))


def test_rewrapping_changes_only_the_wrapped_key(vault: Vault) -> None:
    sealed = vault.seal(ADA, "c1", CANARY)

    rewrapped = Vault(Keyring([NEW, OLD])).rewrap(ADA, "c1", sealed)

    before, after = (msgspec.msgpack.decode(b64decode(text)) for text in (sealed, rewrapped))
    assert after[0] == before[0]
    assert after[1] != before[1]
    assert after[2] != before[2]
    assert after[3] == before[3]
    assert Vault(Keyring([NEW])).open(ADA, "c1", rewrapped) == CANARY


def test_what_is_under_the_primary_key_stays_as_it_is(vault: Vault) -> None:
    sealed = vault.seal(ADA, "c1", CANARY)

    assert vault.rewrap(ADA, "c1", sealed) is sealed


def test_a_ring_is_read_from_base64(vault: Vault) -> None:
    keys = Keyring.parse(f" {b64encode(NEW).decode()} , {b64encode(OLD).decode()}")

    assert keys.primary == Keyring([NEW]).primary
    assert Vault(keys).open(ADA, "c1", vault.seal(ADA, "c1", CANARY)) == CANARY


@pytest.mark.parametrize("text", ["", ",", "x", b64encode(CANARY).decode(), b64encode(OLD).decode() + ",", "ä" * 44])
def test_a_ring_of_anything_else_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes in base64") as refused:
        Keyring.parse(text)

    assert len(text) < 2 or text not in str(refused.value)


def test_neither_keys_nor_secrets_show_in_text(vault: Vault) -> None:
    keys = Keyring([OLD, NEW])
    sealed = vault.seal(ADA, "c1", CANARY)
    with pytest.raises(Unsealable) as refused:
        vault.open(BOB, "c1", sealed)

    for shown in (keys, vault, refused.value, refused.value.detail):
        for secret in (OLD, NEW, CANARY):
            assert secret.decode() not in f"{shown!r} {shown}"
            assert secret.hex() not in f"{shown!r} {shown}"


async def test_no_secret_is_in_what_is_stored(kv: Redis, records: Records, vault: Vault) -> None:
    await records.credentials.create(credential(record_id="c1", sealed=vault.seal(ADA, "c1", CANARY)))
    await records.credentials.update("c1", lambda found: msgspec.structs.replace(found, name="ours"))

    keys = await kv.run("KEYS", "*")
    stored = b"".join([key + (await kv.run("DUMP", key)) for key in keys])

    for shown in (CANARY, b64encode(CANARY), CANARY.hex().encode(), OLD):
        assert shown not in stored
    found = await records.credentials.get("c1")
    assert found.sealed is not None
    assert vault.open(ADA, "c1", found.sealed) == CANARY
