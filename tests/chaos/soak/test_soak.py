"""P1 to P5, P9 to P11 at once: hundreds of sessions live on while services and Redis are killed, frozen and cut off.

``CHAOS_SEED`` has the same chance again, ``CHAOS_SECONDS`` says for how long things go wrong, ``CHAOS_SESSIONS`` in how
many sessions.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.chaos.conftest import inside
from tests.chaos.followers import seeded
from tests.chaos.soak.killers import restarts
from tests.chaos.soak.provider import Hearing
from tests.chaos.soak.reports import report, summary
from tests.chaos.soak.story import Plan, Story
from tests.redis_kinds.server import Server
from tests.redis_kinds.standalone import standalone

pytestmark = pytest.mark.chaos

_SECONDS = float(os.environ.get("CHAOS_SECONDS") or 120)

_SESSIONS = int(os.environ.get("CHAOS_SESSIONS") or 200)


@pytest.fixture
def kept_redis() -> Iterator[Server]:
    """It writes down what it is told before it answers; that is enough for a process that is killed."""
    with standalone("--appendfsync", "no", aof=True) as server:
        yield server


@pytest.fixture
async def hearing() -> AsyncIterator[Hearing]:
    async with Hearing() as server:
        yield server


async def test_nothing_is_lost_or_doubled_whatever_goes_wrong(
    kept_redis: Server, hearing: Hearing, tmp_path: Path
) -> None:
    chance = seeded()
    with inside(kept_redis.url) as looking:
        plan = Plan(_SECONDS, sessions=_SESSIONS, lease=chance.choice((1.0, 2.0)))
        story = Story(plan, kept_redis.url, looking, tmp_path, chance)

        found = await asyncio.wait_for(
            story.tell(
                hearing,
                lambda killers: [
                    killers.kill,
                    killers.kill_worker,
                    killers.freeze,
                    killers.freeze_beyond_the_lease,
                    killers.deploy,
                    killers.cut,
                    restarts(kept_redis, chance, story.diary),
                ],
            ),
            _SECONDS + 600,
        )

    print(summary(story))
    assert not found, report(story, found)
