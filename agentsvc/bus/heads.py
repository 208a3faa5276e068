"""The head of a session: whose it is, and what it is doing."""

from typing import cast

from msgspec import Struct

from agentsvc.bus import keys
from agentsvc.domain.errors import NotFound
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.domain.sessions import Status
from agentsvc.kv.client import Command, Redis
from agentsvc.kv.scripts import Script

_OPEN = Script("agentsvc.bus", "open")
_REMOVE = Script("agentsvc.bus", "remove")


class Head(Struct, frozen=True):
    """``seq`` is the last event's; ``reply_seq`` that of the first event of the reply in flight or parked, or 0."""

    agent_id: AgentId
    status: Status
    seq: int
    reply_seq: int

    @property
    def running(self) -> bool:
        return self.status == "running"


class Heads:
    """Made with the session, removed with it; without it nothing can be written to the session."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def create(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId) -> None:
        """One that is about to be removed stays without an owner; see ``Retention``."""
        await self._redis.call(_OPEN, (keys.of_session(session_id).head,), (owner, agent_id))

    async def get(self, owner: OwnerId, session_id: SessionId, agent_id: AgentId | None = None) -> Head:
        """Raises NotFound for a session that is somebody else's, or of another agent."""
        head = (await self.many(owner, [session_id]))[0]
        if head is None or agent_id not in (None, head.agent_id):
            raise NotFound("session not found")
        return head

    async def many(self, owner: OwnerId, session_ids: list[SessionId]) -> list[Head | None]:
        """The heads of several sessions in one round trip; None for each that is not there or not the owner's."""
        commands: list[Command] = []
        for session_id in session_ids:
            names = keys.of_session(session_id)
            commands.append(("HMGET", names.head, "owner", "agent", "worker", "status", "seq", "reply"))
            commands.append(("XLEN", names.inbox))
        replies = await self._redis.each(*commands)
        return [_head(owner, fields, waiting) for fields, waiting in zip(replies[::2], replies[1::2], strict=True)]

    async def remove(self, session_id: SessionId) -> None:
        """Forget everything live of a session: its run stops at the next write, its streams end."""
        names = keys.of_session(session_id)
        await self._redis.call(
            _REMOVE,
            (
                names.head,
                names.runs,
                names.log,
                names.replies,
                names.inbox,
                names.state,
                names.context,
                names.messages,
                names.order,
                names.accepted,
                names.channel,
            ),
            (session_id, names.run),
        )


def _head(owner: OwnerId, fields: list[bytes | None], waiting: int) -> Head | None:
    found, agent, worker, status, seq, reply = fields
    if found is None or agent is None or found.decode() != owner:
        return None
    running = worker is not None or waiting > 0
    return Head(
        AgentId(agent.decode()),
        "running" if running else cast("Status", (status or b"idle").decode()),
        int(seq or 0),
        int(reply or 0),
    )
