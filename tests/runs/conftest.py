"""A bus with a session on it, and runs whose agents follow scripts."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from agentsvc.agent.agent import Agent
from agentsvc.agent.tool import ToolBase
from agentsvc.agent.toolkit import Toolkit
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Grant
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Messages, RunRequest
from agentsvc.domain.states import AgentState
from agentsvc.runs.prepare import Prepare
from agentsvc.runs.run import Run
from agentsvc.storage.store import Bundle
from tests.fakes.models import ScriptedModel, Step

OWNER, AGENT, SESSION = OwnerId("ada"), AgentId("a1"), SessionId("s1")


class Actors(Prepare):
    """Makes agents that share one scripted model, whatever the session."""

    def __init__(self, *scripts: Sequence[Step], tools: Sequence[ToolBase] = ()) -> None:
        object.__setattr__(self, "model", ScriptedModel(*scripts))
        object.__setattr__(self, "tools", tools)

    model: ScriptedModel
    tools: Sequence[ToolBase]

    async def records(self, owner: OwnerId, session_id: SessionId) -> Bundle | None:
        return None

    async def tell_approvals(self, grant: Grant, state: AgentState) -> None:
        """There are no records here."""

    async def agent(self, grant: Grant, records: Bundle | None) -> Agent:
        return Agent("bob", "Be brief.", self.model, toolkit=Toolkit(self.tools))


def request(session: str = SESSION) -> RunRequest:
    return RunRequest(owner=OWNER, session_id=SessionId(session), agent_id=AGENT)


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[RedisMessageBus]:
    async with RedisMessageBus(redis_url, lease_s=0.5) as opened:
        await opened.heads.create(OWNER, SESSION, AGENT)
        yield opened


Say = Callable[..., Awaitable[Msg]]


@pytest.fixture
def say(bus: RedisMessageBus) -> Say:
    async def accept(text: str, session: str = SESSION) -> Msg:
        message = Msg.user(text)
        await bus.inbox.accept(request(session), Messages([message]), [message])
        return message

    return accept


async def granted(bus: RedisMessageBus, worker: str = "w1") -> Grant:
    grant = await bus.leases.take(request(), worker)
    assert isinstance(grant, Grant)
    return grant


async def run_of(bus: RedisMessageBus, actors: Actors, worker: str = "w1") -> Run:
    return Run(bus, actors, await granted(bus, worker), None)
