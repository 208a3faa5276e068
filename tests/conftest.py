"""What tests are given: a Redis, settings that point to it, and a way to wait without sleeping."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from agentsvc.settings import Settings
from tests.keyleak import leaked
from tests.redis_kinds.chosen import chosen
from tests.redis_kinds.clients import connected

# What speaks to Redis alone is tested on every kind of it; whole stories are when they say so.
_SPEAKS_TO_REDIS = ("bus", "storage")

Until = Callable[..., Awaitable[Any]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if any(item.path.is_relative_to(here / room) for room in _SPEAKS_TO_REDIS):
            item.add_marker(pytest.mark.redis)


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that the service runs on."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(scope="session")
def redis_process() -> Iterator[str]:
    """One Redis for each process of tests, of the kind that ``AGENTSVC_TEST_REDIS`` names."""
    with chosen() as kind:
        yield kind.url


@pytest.fixture
def redis_url(redis_process: str) -> Iterator[str]:
    """An empty Redis. The test fails when it leaves a key that has neither an owner nor a lifetime."""
    yield redis_process
    with connected(redis_process) as client:
        keys = leaked(client)
        client.flushall()
    assert not keys, f"keys without an owner or a lifetime: {keys}"


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """Settings for parts that are opened in this test."""
    return Settings(redis_url=redis_url, data_dir=str(tmp_path), secret_keys=(b"k" * 32,))


@pytest.fixture
def logging_kept() -> Iterator[None]:
    """For tests that set logging up: afterwards it is as before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


@pytest.fixture
def until() -> Until:
    """Waits without sleeping for a condition, a function that may be async, and gives what it says.

    ``await until(lambda: run.ended, "the run has ended", within=5)`` fails by that name after 5 seconds.
    """
    return wait_until


async def wait_until(condition: Callable[[], Any], what: str, *, within: float = 5.0) -> Any:
    """See ``until``."""
    with anyio.move_on_after(within):
        while True:
            answer = condition()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            await anyio.sleep(0.01)
    pytest.fail(f"after {within} s still not: {what}")
