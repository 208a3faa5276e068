"""A fake provider and a way to it."""

from collections.abc import AsyncIterator

import pytest

from agentsvc.agent.model import ChatModelBase, ModelDelta, ModelRequest
from agentsvc.domain.messages import Msg
from agentsvc.models.addresses import AddressGuard
from agentsvc.models.catalog import BUILTIN, ModelCatalog
from agentsvc.models.credentials import CredentialFactory, ModelContext
from agentsvc.models.openai import OpenAIChatModel, OpenAICredential, Parameters
from agentsvc.models.retries import Retry
from agentsvc.models.transport import Limits, Transport
from tests.fakes.openai_server import OpenAIServer


@pytest.fixture
async def server() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as running:
        yield running


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    """Quick to retry, and quick to call a provider silent."""
    retry = Retry(attempts=3, base=0.001)
    async with Transport(AddressGuard(["127.0.0.1"]), retry=retry, limits=Limits(read_s=0.3)) as opened:
        yield opened


@pytest.fixture
def factory() -> CredentialFactory:
    return CredentialFactory(*BUILTIN)


@pytest.fixture
def catalog(factory, transport) -> ModelCatalog:
    return ModelCatalog(factory, ModelContext(transport=transport))


@pytest.fixture
def model(server, transport, catalog) -> OpenAIChatModel:
    credential = OpenAICredential(api_key="sk-canary", base_url=server.url)
    return OpenAIChatModel(credential, catalog.card("openai_credential", "gpt-4o"), Parameters(), transport)


async def answer(model: ChatModelBase, request: ModelRequest | str = "Hi") -> list[ModelDelta]:
    """All deltas of an answer."""
    if isinstance(request, str):
        request = ModelRequest([Msg.user(request)])
    return [delta async for delta in model.stream(request)]
