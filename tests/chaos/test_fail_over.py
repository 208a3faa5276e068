"""P11: the master is killed while sessions run, wait, stream and are spoken to, and another one takes its place."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agentsvc.bus import keys
from tests.chaos.conftest import inside
from tests.chaos.followers import seeded
from tests.chaos.soak.killers import Killer
from tests.chaos.soak.provider import Hearing
from tests.chaos.soak.reports import report, summary
from tests.chaos.soak.story import Plan, Story
from tests.redis_kinds.chosen import CHOSEN, Kind, chosen
from tests.redis_kinds.cluster import Cluster
from tests.redis_kinds.sentinel import Sentinel

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.redis,
    pytest.mark.skipif(
        CHOSEN not in ("sentinel", "cluster"), reason="nobody takes the place of a server that is alone"
    ),
]

_PLAN = Plan(seconds=25, sessions=40, users=4, services=2, pause=4)


@pytest.fixture
async def hearing() -> AsyncIterator[Hearing]:
    async with Hearing() as server:
        yield server


async def test_nothing_is_lost_or_doubled_when_the_master_is_killed(hearing: Hearing, tmp_path: Path) -> None:
    with chosen() as kind, inside(kind.url) as looking:
        story = Story(_PLAN, kind.url, looking, tmp_path, seeded())

        found = await asyncio.wait_for(story.tell(hearing, lambda _: [kills_the_master(kind, story)]), 300)

    print(summary(story))
    assert not found, report(story, found)
    assert story.diary.about("kill -9")


def kills_the_master(kind: Kind, story: Story) -> Killer:
    """The one that holds the run queue; it comes back as a replica."""
    assert isinstance(kind, Sentinel | Cluster)

    async def kill() -> None:
        killed = kind.kill_master(keys.runs(0)) if isinstance(kind, Cluster) else kind.kill_master()
        story.diary.note(f"kill -9 of the master, {killed}")
        await asyncio.to_thread(kind.settle)
        story.diary.note("another one has taken its place")
        await asyncio.sleep(1)
        kind.start_again()
        await asyncio.to_thread(kind.settle)
        story.diary.note(f"{killed} is back")

    return kill
