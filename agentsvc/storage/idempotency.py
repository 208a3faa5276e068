"""Idempotency keys: a request that is sent twice is carried out once, and answered twice."""

import msgspec
from msgspec import Struct

from agentsvc.domain.errors import Conflict, Invalid, Problem
from agentsvc.domain.ids import OwnerId, new_id
from agentsvc.kv.client import Redis
from agentsvc.kv.scripts import Script
from agentsvc.storage import keys

_CLAIM = Script("agentsvc.storage", "claim")
_SETTLE = Script("agentsvc.storage", "settle")


class Answer(Struct, frozen=True, kw_only=True):
    """What was answered. Whoever keeps it makes sure that no secret is in it."""

    status: int
    body: bytes = b""
    media_type: str | None = None


class Claim(Struct, frozen=True):
    """The right to carry a request out, for the first one that asks."""

    key: str
    fingerprint: str
    token: str


class IdempotencyKeys:
    """The keys that one owner's clients have sent.

    ``claim`` first, then either ``keep`` or ``free``. When neither happens, because the process has died, the key is
    free again after ``claim_s`` seconds; an answer is kept for ``keep_s``.
    """

    __slots__ = ("_claim_ms", "_keep_ms", "_owner", "_redis")

    def __init__(self, redis: Redis, owner: OwnerId, *, claim_s: float = 60, keep_s: float = 24 * 3600) -> None:
        self._redis = redis
        self._owner = owner
        self._claim_ms = int(claim_s * 1000)
        self._keep_ms = int(keep_s * 1000)

    async def claim(self, key: str, fingerprint: str) -> Claim | Answer:
        """The right to carry the request out, or what the same request was answered before.

        ``fingerprint`` stands for all that makes the request what it is. Raises Conflict while the same request is
        being carried out, Invalid when the key was sent with another one.
        """
        claim = Claim(keys.idempotency(self._owner, key), fingerprint, new_id())
        reply = await self._redis.call(_CLAIM, (claim.key,), (claim.token, fingerprint, self._claim_ms))
        match reply[0]:
            case b"claimed":
                return claim
            case b"answered":
                return _decode(reply[1])
            case b"busy":
                raise Conflict("a request with this Idempotency-Key is still being carried out; send it again later")
            case _:
                raise Invalid(
                    "this Idempotency-Key was sent with another request",
                    (Problem("Idempotency-Key", "expected a key that was not used before"),),
                )

    async def keep(self, claim: Claim, answer: Answer) -> None:
        """Give this answer to whoever sends the request again."""
        await self._settle(claim, _encode(answer))

    async def free(self, claim: Claim) -> None:
        """Let the request be carried out again: it had no effect."""
        await self._settle(claim, b"")

    async def _settle(self, claim: Claim, answer: bytes) -> None:
        await self._redis.call(_SETTLE, (claim.key,), (claim.token, claim.fingerprint, answer, self._keep_ms))


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Answer).decode
