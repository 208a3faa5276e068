"""A bus, and a session on it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from msgspec.structs import replace

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.domain.ids import AgentId, OwnerId, RunId, SessionId
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Messages, RunRequest

OWNER, AGENT, SESSION = OwnerId("ada"), AgentId("a1"), SessionId("s1")

Say = Callable[..., Awaitable[Msg]]


def request(owner: str = OWNER, session: str = SESSION, agent: str = AGENT, run: str | None = None) -> RunRequest:
    asked = RunRequest(owner=OwnerId(owner), session_id=SessionId(session), agent_id=AgentId(agent))
    return asked if run is None else replace(asked, run_id=RunId(run))


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[RedisMessageBus]:
    async with RedisMessageBus(redis_url, lease_s=0.2, log_keep=10) as opened:
        await opened.heads.create(OWNER, SESSION, AGENT)
        yield opened


@pytest.fixture
def say(bus: RedisMessageBus) -> Say:
    """Accept a message, as the chat service does, without asking for a run."""

    async def accept(text: str) -> Msg:
        message = Msg.user(text)
        await bus.inbox.accept(request(), Messages([message]), [message])
        return message

    return accept
