"""Rotation: every sealed secret of every owner goes under the primary key.

The one operation that looks across owners. It is for operators; no service offers it.
"""

import logging
from collections import Counter
from contextlib import aclosing
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from agentsvc.domain.ids import OwnerId
from agentsvc.kv.client import Redis
from agentsvc.storage.collection import SWAP
from agentsvc.storage.keys import EVERY_CREDENTIAL, RECEIPT_MS, receipt
from agentsvc.storage.vault import Keyring, Unsealable, Vault

# How often a record is tried that others change at the same time.
_TRIES = 10

Outcome = Literal["rewrapped", "current", "failed", "gone"]

log = logging.getLogger(__name__)


class Rotation(Struct, frozen=True, kw_only=True):
    """Credentials by what became of them. While any has failed, and the log says which, no key may be taken away.

    ``current`` had nothing to rewrap. Changes while it runs may count a credential twice.
    """

    rewrapped: int
    current: int
    failed: int


async def rotate(redis: Redis, keys: Keyring, *, batch: int = 200) -> Rotation:
    """Rewrap what is not under the primary key; about ``batch`` records are held at a time.

    May run beside the service, and again after it was cut off: it goes on with what is left.
    """
    vault, outcomes = Vault(keys), Counter[Outcome]()
    async with aclosing(redis.scan(EVERY_CREDENTIAL, batch=batch)) as found:
        async for names in found:
            stored = await redis.each(*(("GET", name) for name in names))
            for name, raw in zip(names, stored, strict=True):
                outcomes[await _rotate(redis, vault, name, raw)] += 1
    return Rotation(rewrapped=outcomes["rewrapped"], current=outcomes["current"], failed=outcomes["failed"])


class _Credential(Struct):
    """What has to be known of a record. The rest of it stays as it is, also what this version does not know."""

    user_id: OwnerId
    id: str
    sealed: str | None = None


_decode = msgspec.json.Decoder(_Credential).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


async def _rotate(redis: Redis, vault: Vault, name: bytes, stored: bytes | None) -> Outcome:
    for _ in range(_TRIES):
        if stored is None:
            return "gone"
        try:
            record = _decode(stored)
            wanted = _rewrapped(vault, record, stored)
        except (Unsealable, ValueError, RecursionError) as error:
            log.error("%s cannot be rewrapped: %s", name.decode(), error)  # noqa: TRY400 - no trace: it is no bug
            return "failed"
        if wanted is None:
            return "current"
        reply = await redis.call(SWAP, (name, receipt(record.user_id)), (stored, wanted, RECEIPT_MS))
        if reply == 1:
            return "rewrapped"
        stored = reply or None
    log.error("%s cannot be rewrapped: it changes too often", name.decode())
    return "failed"


def _rewrapped(vault: Vault, record: _Credential, stored: bytes) -> bytes | None:
    """The record with its secret under the primary key; None when it is, or has none. Version and time stay.

    Raises Unsealable.
    """
    if record.sealed is None:
        return None
    sealed = vault.rewrap(record.user_id, record.id, record.sealed)
    if sealed == record.sealed:
        return None
    return _encode(_decode_fields(stored) | {"sealed": Raw(_encode(sealed))})
