"""Workspaces: what an agent is given to work in, and who decides which agent shares one."""

from abc import ABC, abstractmethod

from agentsvc.agent.backend import BackendBase
from agentsvc.domain.ids import AgentId, OwnerId, SessionId


class WorkspaceBase(ABC):
    """``instructions`` tell the model where it is: a part of the system prompt, empty for none."""

    backend: BackendBase
    instructions: str = ""

    @abstractmethod
    async def offload(self, name_hint: str, data: bytes) -> str | None:
        """Keep what is too large for the context, and say at which path the agent can read it.

        The name comes from the content alone, so the same content is stored once. ``name_hint`` says what it is, to
        people who read logs. None when it could not be kept; never raises for that.
        """


class WorkspaceManagerBase(ABC):
    @abstractmethod
    async def get_workspace(self, user_id: OwnerId, agent_id: AgentId, session_id: SessionId) -> WorkspaceBase:
        """The workspace of a session, made when it is not there yet. Different users never share one."""
