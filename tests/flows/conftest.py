"""A service for the stories of a file, once with one worker and once with two; and a provider that follows scripts."""

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.conftest import wait_until
from tests.fakes.openai_server import OpenAIServer
from tests.flows.workshop import TRACE
from tests.keyleak import leaked
from tests.redis_kinds.chosen import CHOSEN, chosen
from tests.redis_kinds.clients import connected
from tests.service import Service, User, serving, user_of

# To start the other kinds takes seconds, and what one worker does alone they have no part in.
WORKERS = [1, 2] if CHOSEN == "valkey" else [2]
WORKER_IDS = {1: "one worker", 2: "two workers"}.get

STARTED = 60  # seconds, on a machine that has other things to do


@pytest.fixture(scope="session")
def usual() -> Iterator[Callable[[int], Service]]:
    """The service with so many workers of all files that want nothing special: to start one takes seconds."""
    with ExitStack() as stack:
        yield cache(lambda workers: stack.enter_context(running(workers, {})))


@pytest.fixture(scope="module", params=WORKERS, ids=WORKER_IDS)
def service(request: pytest.FixtureRequest, usual: Callable[[int], Service]) -> Iterator[Service]:
    """A file that wants one of its own has ``ARGUMENTS`` for it, a ``PROGRAM``, or arguments for its ``REDIS``."""
    names = ("ARGUMENTS", "PROGRAM", "REDIS")
    special = {name: value for name, value in vars(request.module).items() if name in names}
    if special:
        with running(request.param, special) as own:
            yield own
    else:
        yield usual(request.param)


@contextmanager
def running(workers: int, special: dict[str, Any]) -> Generator[Service]:
    """At its end no key has been left that nobody owns."""
    program = {"program": special["PROGRAM"]} if "PROGRAM" in special else {}
    with chosen(*special.get("REDIS", ())) as kind, connected(kind.url) as client:
        with serving(kind.url, *special.get("ARGUMENTS", ()), workers=workers, **program) as service:
            yield service
        assert not leaked(client)


@pytest.fixture
def database(service: Service) -> Iterator[redis.Redis]:
    """The Redis of the service, as its operator sees it."""
    with connected(service.redis_url) as client:
        yield client


@pytest.fixture
async def ada(service: Service, database: redis.Redis) -> AsyncIterator[User]:
    await service.ready(STARTED)
    at_work = lambda: len(database.pubsub_channels("{w:*}")) >= service.workers  # noqa: E731
    await wait_until(at_work, "all workers are at work", within=STARTED)
    async with user_of(service, "ada") as user:
        yield user


@pytest.fixture
def trace(service: Service) -> Path:
    """Where the tools of ``tests.flows.workshop`` write; empty."""
    file = service.log.parent / TRACE
    file.write_text("")
    return file


@pytest.fixture
def mallory(ada: User) -> User:
    """Another user, over the same connections."""
    return User(ada.client, "mallory")


@pytest.fixture
async def provider() -> AsyncIterator[OpenAIServer]:
    async with OpenAIServer() as server:
        yield server
