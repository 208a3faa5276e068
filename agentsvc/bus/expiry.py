"""Questions that nobody may answer in time, and until when they wait."""

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec import Struct

from agentsvc.bus import keys
from agentsvc.domain.ids import OwnerId, SessionId
from agentsvc.kv.client import Redis
from agentsvc.kv.scripts import Script

_DUE = Script("agentsvc.bus", "due")
_DEALT = Script("agentsvc.bus", "dealt")

log = logging.getLogger(__name__)


class Expiry(Struct, frozen=True, array_like=True):
    """An approval that waits only for a time."""

    owner: OwnerId
    session_id: SessionId
    approval_id: str


class Due(NamedTuple):
    """An approval whose time is up; ``at`` is that time as it is stored."""

    expiry: Expiry
    at: bytes


class Expiring:
    """A sorted set for each shard. Entries that are no longer true do no harm: whoever finds them due looks again."""

    def __init__(self, redis: Redis, shards: int) -> None:
        self._redis = redis
        self._shards = shards

    async def add(self, owner: OwnerId, session_id: SessionId, until: Mapping[str, str]) -> None:
        """Remember until when each approval of a session waits."""
        scored = [
            word
            for approval_id, at in until.items()
            for word in (_milliseconds(at), _encode(Expiry(owner, session_id, approval_id)))
        ]
        if scored:
            await self._redis.run("ZADD", self._key(session_id), *scored)

    async def remove(self, owner: OwnerId, session_id: SessionId, approval_ids: Sequence[str]) -> None:
        """Forget approvals of a session that wait no longer."""
        members = [_encode(Expiry(owner, session_id, approval_id)) for approval_id in approval_ids]
        if members:
            await self._redis.run("ZREM", self._key(session_id), *members)

    async def due(self, limit: int = 100) -> list[Due]:
        """Those whose time is up by the clock of Redis, up to ``limit`` a shard; each stays until it is dealt with."""
        found: list[Due] = []
        for shard in range(self._shards):
            key = keys.expiring(shard)
            scored = await self._redis.call(_DUE, (key,), (limit,))
            for member, at in zip(scored[::2], scored[1::2], strict=True):
                try:
                    found.append(Due(decode_expiry(member), at))
                except msgspec.MsgspecError:
                    log.exception("unreadable entry of the expiring approvals dropped")
                    await self._redis.run("ZREM", key, member)
        return found

    async def dealt_with(self, due: Due) -> None:
        """Forget an approval, unless its call waits for something else by now, for another time."""
        key = self._key(due.expiry.session_id)
        await self._redis.call(_DEALT, (key,), (_encode(due.expiry), due.at))

    def _key(self, session_id: SessionId) -> str:
        return keys.expiring(keys.shard_of(session_id, self._shards))


def _milliseconds(at: str) -> int:
    return math.ceil(datetime.fromisoformat(at).timestamp() * 1000)


_encode = msgspec.json.Encoder().encode
decode_expiry = msgspec.json.Decoder(Expiry).decode
