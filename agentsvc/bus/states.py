"""What the agent of a session remembers beside the conversation: its plan, its rules, its questions."""

import logging

import msgspec

from agentsvc.bus import keys
from agentsvc.domain.errors import NotFound
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.domain.states import AgentState
from agentsvc.kv.client import Redis

log = logging.getLogger(__name__)

_decode = msgspec.json.Decoder(AgentState).decode


class States:
    """Reads what the fenced write has stored; the messages of the context are apart."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def get(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId) -> AgentState:
        """Raises NotFound for a session of somebody else or of another agent."""
        names = keys.of_session(session_id)
        whose, state = await self._redis.all(("HMGET", names.head, "owner", "agent"), ("GET", names.state))
        if whose != [owner.encode(), agent_id.encode()]:
            raise NotFound("session not found")
        empty = AgentState(session_id=session_id)
        try:
            return _decode(state) if state else empty
        except msgspec.MsgspecError:  # the next run begins anew, so nobody waits for an answer
            log.exception("session %s: its state cannot be read", session_id)
            return empty
