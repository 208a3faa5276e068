"""The services on a real Redis, without workers: nothing happens that a test does not do."""

from collections.abc import AsyncIterator

import pytest

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.domain.ids import OwnerId
from agentsvc.models.catalog import BUILTIN, ModelCatalog
from agentsvc.models.credentials import CredentialFactory, ModelContext
from agentsvc.models.transport import Transport
from agentsvc.services.agents import Agents
from agentsvc.services.approvals import Approvals
from agentsvc.services.chat import Chat
from agentsvc.services.credentials import Credentials
from agentsvc.services.removal import Removal
from agentsvc.services.sessions import Sessions
from agentsvc.storage.store import RedisStorage
from agentsvc.storage.vault import Keyring, Vault

ADA, BEA = OwnerId("ada"), OwnerId("bea")


@pytest.fixture
async def storage(redis_url: str) -> AsyncIterator[RedisStorage]:
    async with RedisStorage(redis_url) as opened:
        yield opened


@pytest.fixture
async def bus(redis_url: str) -> AsyncIterator[RedisMessageBus]:
    async with RedisMessageBus(redis_url) as opened:
        yield opened


@pytest.fixture
def removal(storage: RedisStorage, bus: RedisMessageBus) -> Removal:
    return Removal(storage, bus)


@pytest.fixture
def agents(storage: RedisStorage, removal: Removal) -> Agents:
    return Agents(storage, removal)


@pytest.fixture
def credentials(storage: RedisStorage) -> Credentials:
    return Credentials(storage, Vault(Keyring([b"k" * 32])), CredentialFactory(*BUILTIN))


@pytest.fixture
def sessions(storage: RedisStorage, bus: RedisMessageBus, removal: Removal) -> Sessions:
    catalog = ModelCatalog(CredentialFactory(*BUILTIN), ModelContext(transport=Transport()))
    return Sessions(storage, bus, removal, catalog)


@pytest.fixture
def chat(bus: RedisMessageBus, sessions: Sessions) -> Chat:
    return Chat(bus, sessions)


@pytest.fixture
def approvals(storage: RedisStorage, bus: RedisMessageBus, chat: Chat) -> Approvals:
    return Approvals(storage, bus, chat)
