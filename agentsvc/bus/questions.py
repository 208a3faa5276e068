"""The questions of a session: what its reply waits, or has waited, for."""

import logging

import msgspec
from msgspec import Struct

from agentsvc.bus import keys
from agentsvc.domain.approvals import Approval
from agentsvc.domain.errors import NotFound
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.kv.client import Redis

log = logging.getLogger(__name__)


class Questions:
    """Reads what the fenced write has stored; nothing else of the state is decoded."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def get(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId) -> list[Approval]:
        """Also those that have been answered. Raises NotFound for a session of somebody else or of another agent."""
        names = keys.of_session(session_id)
        whose, state = await self._redis.all(("HMGET", names.head, "owner", "agent"), ("GET", names.state))
        if whose != [owner.encode(), agent_id.encode()]:
            raise NotFound("session not found")
        try:
            return _decode(state).approvals if state else []
        except msgspec.MsgspecError:  # the next run begins anew, so nobody waits for an answer
            log.exception("session %s: its state cannot be read", session_id)
            return []


class _State(Struct):
    approvals: list[Approval] = []


_decode = msgspec.json.Decoder(_State).decode
