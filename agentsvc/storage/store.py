"""The store: all records, reached through their owner."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import NamedTuple, Self

from agentsvc.domain.agents import AgentRecord
from agentsvc.domain.credentials import CredentialRecord
from agentsvc.domain.ids import OwnerId
from agentsvc.domain.sessions import SessionRecord
from agentsvc.kv.client import Redis
from agentsvc.kv.probe import probe
from agentsvc.kv.scripts import Script
from agentsvc.storage.approvals import ApprovalRecords
from agentsvc.storage.collection import Collection
from agentsvc.storage.idempotency import IdempotencyKeys
from agentsvc.storage.keys import encoded

_BUNDLE = Script("agentsvc.storage", "bundle")


class Bundle(NamedTuple):
    """What a run begins with. The agent may be gone, and so may credentials that the session's models name."""

    session: SessionRecord
    agent: AgentRecord | None
    credentials: list[CredentialRecord]


class Records:
    """Everything that one owner has."""

    def __init__(self, redis: Redis, owner: OwnerId) -> None:
        self._redis = redis
        self.agents = Collection(redis, owner, "agent", AgentRecord)
        self.approvals = ApprovalRecords(redis, owner)
        self.credentials = Collection(redis, owner, "credential", CredentialRecord)
        self.sessions = Collection(redis, owner, "session", SessionRecord, within="agent_id")
        self.idempotency = IdempotencyKeys(redis, owner)

    async def bundle(self, session_id: str) -> Bundle:
        """A session, its agent and the credentials of its chat models, in one round trip. Raises NotFound."""
        stored: list[bytes | None] = await self._redis.call(
            _BUNDLE,
            (self.sessions.keys.record + encoded(session_id),),
            (
                self.agents.keys.record,
                self.credentials.keys.record,
                "chat_model_config",
                "fallback_chat_model_config",
            ),
        )
        if not stored or stored[0] is None:
            raise self.sessions.missing()
        session = self.sessions.read(session_id, stored[0])
        found = [self.credentials.read_or_none("of the session", raw) for raw in stored[2:]]
        return Bundle(
            session,
            self.agents.read_or_none(session.agent_id, stored[1]),
            [credential for credential in found if credential is not None],
        )


class StorageBase(ABC):
    """Where records are kept, opened with ``async with``."""

    @abstractmethod
    def of(self, owner: OwnerId) -> Records:
        """The records of this owner: the only way to any record."""

    @abstractmethod
    async def ping(self) -> None:
        """Raises ConnectionError, with the reason, when the storage does not work or takes nothing new."""

    async def __aenter__(self) -> Self:
        return self

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class RedisStorage(StorageBase):
    """Records on Redis ≥ 7.0 or Valkey ≥ 7.2."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._redis = Redis(url)

    def of(self, owner: OwnerId) -> Records:
        return Records(self._redis, owner)

    async def ping(self) -> None:
        await probe(self._redis)

    async def __aenter__(self) -> Self:
        await self._redis.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._redis.__aexit__(kind, error, trace)
