"""The vault: secrets sealed for one record of one owner, under keys that can be changed.

Envelope encryption with AES-256-GCM: each secret has a data key of its own, which is wrapped with a key of the ring.
Both are bound to purpose, version, owner and record, so a sealed secret that is copied elsewhere does not open.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from agentsvc.domain.errors import AgentServiceError
from agentsvc.domain.ids import OwnerId

_VERSION = 1
_KEY_BYTES = 32
_NONCE_BYTES = 12


class Unsealable(AgentServiceError):
    """A stored secret cannot be opened."""

    code = "unsealable"


class Sealed(Struct, frozen=True, array_like=True):
    """What is stored: ``kid`` names the key of the ring, each nonce stands before what it was used for."""

    version: int
    kid: str
    wrapped_key: bytes
    secret: bytes

    def __repr__(self) -> str:
        return f"Sealed({self.kid})"


class Keyring:
    """Keys of 32 bytes: the first one wraps, all of them unwrap. ``primary`` names the first one."""

    __slots__ = ("_keys", "primary")

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != _KEY_BYTES for key in keys):
            raise ValueError(f"expected one or more keys of {_KEY_BYTES} bytes")
        self._keys = {_kid(key): AESGCM(key) for key in keys}
        self.primary = _kid(keys[0])

    @classmethod
    def parse(cls, text: str) -> Self:
        """From keys in base64, comma separated. Raises ValueError, which does not repeat them."""
        try:
            return cls([b64decode(part.strip(), validate=True) for part in text.split(",")])
        except ValueError:
            raise ValueError(f"expected keys of {_KEY_BYTES} bytes in base64, comma separated") from None

    def wrap(self, key: bytes, bound_to: bytes) -> bytes:
        """A data key under the primary key."""
        return _encrypt(self._keys[self.primary], key, bound_to + self.primary.encode())

    def unwrap(self, kid: str, wrapped: bytes, bound_to: bytes) -> bytes:
        """Raises Unsealable."""
        if kid not in self._keys:
            raise Unsealable(f"a secret is sealed with key {kid}, which this service does not have")
        return _decrypt(self._keys[kid], wrapped, bound_to + kid.encode())

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._keys)})"


class Vault:
    """Seals and opens secrets of one purpose."""

    __slots__ = ("_keys", "_purpose")

    def __init__(self, keys: Keyring, purpose: str = "credential") -> None:
        self._keys = keys
        self._purpose = purpose

    def seal(self, owner: OwnerId, record_id: str, data: bytes) -> str:
        """The secret as it may be stored in this record, in base64."""
        bound_to = self._bound_to(owner, record_id)
        key = AESGCM.generate_key(_KEY_BYTES * 8)
        return _text(
            Sealed(_VERSION, self._keys.primary, self._keys.wrap(key, bound_to), _encrypt(AESGCM(key), data, bound_to))
        )

    def open(self, owner: OwnerId, record_id: str, sealed: str) -> bytes:
        """The secret. Raises Unsealable when its key is gone, it was changed, or it was sealed for another record."""
        bound_to = self._bound_to(owner, record_id)
        stored = _sealed(sealed)
        key = self._keys.unwrap(stored.kid, stored.wrapped_key, bound_to)
        return _decrypt(AESGCM(key), stored.secret, bound_to)

    def rewrap(self, owner: OwnerId, record_id: str, sealed: str) -> str:
        """The same under the primary key; the very same when it is already. The secret itself is not opened.

        Raises Unsealable.
        """
        stored = _sealed(sealed)
        if stored.kid == self._keys.primary:
            return sealed
        bound_to = self._bound_to(owner, record_id)
        key = self._keys.unwrap(stored.kid, stored.wrapped_key, bound_to)
        return _text(
            msgspec.structs.replace(stored, kid=self._keys.primary, wrapped_key=self._keys.wrap(key, bound_to))
        )

    def _bound_to(self, owner: OwnerId, record_id: str) -> bytes:
        """Each part after its length, so that no two lists of parts are the same bytes."""
        parts = [part.encode() for part in (self._purpose, str(_VERSION), owner, record_id)]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _kid(key: bytes) -> str:
    return blake2b(key, digest_size=6, person=b"agentsvc-kid").hexdigest()


def _encrypt(key: AESGCM, data: bytes, bound_to: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + key.encrypt(nonce, data, bound_to)


def _decrypt(key: AESGCM, data: bytes, bound_to: bytes) -> bytes:
    try:
        return key.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError):
        raise Unsealable("a secret was changed, or sealed for another record") from None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Sealed).decode


def _text(sealed: Sealed) -> str:
    return b64encode(_encode(sealed)).decode()


def _sealed(text: str) -> Sealed:
    try:
        sealed = _decode(b64decode(text, validate=True))
    except (ValueError, RecursionError):
        raise Unsealable("a secret was changed: it cannot be read") from None
    if sealed.version != _VERSION:
        raise Unsealable(f"a secret has version {sealed.version}, which is not known here")
    return sealed
