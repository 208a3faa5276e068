"""A Redis with one session that is well, and a doctor who looks at it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.doctor.checkup import check_up
from agentsvc.doctor.report import Report
from agentsvc.domain.agents import AgentData, AgentRecord
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Messages, RunRequest
from agentsvc.domain.sessions import SessionConfig, SessionRecord
from agentsvc.kv.client import Redis
from agentsvc.settings import Settings
from agentsvc.storage.store import RedisStorage

ADA, AGENT, WELL = OwnerId("ada"), AgentId("a1"), SessionId("well")

LEASE = 0.05  # seconds


@dataclass(frozen=True)
class Home:
    redis: Redis
    storage: RedisStorage
    bus: RedisMessageBus
    settings: Settings

    async def session(self, name: str) -> SessionId:
        record = SessionRecord(user_id=ADA, id=name, agent_id=AGENT, config=SessionConfig(name=name))
        await self.storage.of(ADA).sessions.create(record)
        await self.bus.heads.create(ADA, SessionId(name), AGENT)
        return SessionId(name)

    async def say(self, session: SessionId) -> RunRequest:
        """Accept a message, and leave a note that somebody has to be told of it."""
        message, request = Msg.user("Hello"), self.request(session)
        await self.bus.inbox.accept(request, Messages([message]), [message])
        return request

    def request(self, session: str) -> RunRequest:
        return RunRequest(owner=ADA, session_id=SessionId(session), agent_id=AGENT)

    async def keys(self) -> set[bytes]:
        return {name async for names in self.redis.scan("*") for name in names}

    async def look(self, *, repair: bool = False, **settings: Any) -> Report:
        return await check_up(replace(self.settings, **settings), repair=repair, pause_s=0.01)


@pytest.fixture
async def home(redis_url: str, settings: Settings) -> AsyncIterator[Home]:
    bus = RedisMessageBus(redis_url, lease_s=LEASE)
    async with Redis(redis_url) as redis, RedisStorage(redis_url) as storage, bus:
        opened = Home(redis, storage, bus, replace(settings, lease_s=LEASE))
        await storage.of(ADA).agents.create(AgentRecord(user_id=ADA, id=AGENT, data=AgentData(id=AGENT, name="Bob")))
        await opened.session(WELL)
        yield opened
        await redis.each(*(("DEL", name) for name in await opened.keys()))
