"""The transcript of a session: what was said, for people to read."""

from agentsvc.bus import keys
from agentsvc.domain.ids import SessionId
from agentsvc.domain.messages import Msg, decode_message
from agentsvc.kv.client import Redis


class Transcripts:
    """Reads what is accepted and journalled."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def page(self, session_id: SessionId, limit: int, before: str | None = None) -> tuple[list[Msg], bool]:
        """The last ``limit`` messages, or those before a message, oldest first; and whether there are earlier ones.

        A message that is not there has nothing before it.
        """
        names = keys.of_session(session_id)
        end = -1
        if before is not None:
            rank = await self._redis.run("ZRANK", names.order, before)
            if not rank:
                return [], False
            end = rank - 1
        start = max(end - limit, 0) if end >= 0 else end - limit
        ids: list[bytes] = await self._redis.run("ZRANGE", names.order, start, end)
        more, ids = len(ids) > limit, ids[-limit:]
        stored: list[bytes | None] = await self._redis.run("HMGET", names.messages, *ids) if ids else []
        return [decode_message(raw) for raw in stored if raw is not None], more
