"""The service dies at one await on Redis after the other; the next one must make good what it left."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.conftest import Inside, inside, the_same, victim
from tests.chaos.victim import LAST
from tests.conftest import wait_until
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.redis_kinds.chosen import chosen
from tests.service import Conversation, Service, User, user_of

_LANES = 4  # services that are killed side by side, each with a Redis of its own
_TRIES = 3  # for a place that was not passed by again


@dataclass
class Life(ABC):
    """What happens in one session, of which ``mark`` is the id of the first message, until the service dies."""

    mark: str
    talk: Conversation
    tools: Path

    @abstractmethod
    async def live(self, looking: Inside, gone: Callable[[], bool]) -> None:
        """Do it, up to its end or until the service is gone."""

    @abstractmethod
    async def recover(self, looking: Inside) -> None:
        """Do what is still to be done, as a client would; then everything must be there once."""


@dataclass
class Story:
    """``life`` makes a life. ``last`` is the place at which each has come to its end; see ``victim``.

    ``places`` are those where it still has to die, at most so many as ``most``; ``missed`` those that it did not come
    to, since it works faster or slower from one time to the next.
    """

    life: Callable[[str, Conversation, Path], Life]
    provider: OpenAIServer
    directory: Path
    last: str = LAST
    most: int | None = None
    places: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @property
    def tools(self) -> Path:
        return self.directory / "tools"

    def miss(self, place: str) -> None:
        """It is tried again, but not for ever."""
        self.missed.append(place)
        if self.missed.count(place) < _TRIES:
            self.places.append(place)


async def sweep(story: Story) -> None:
    """Live once and see what places there are; then die at them, in lanes."""
    with chosen() as kind, inside(kind.url) as looking:
        assert await one_life(story, "nowhere", kind.url, looking, None) is None
    found = lines(story.directory / "nowhere-0")
    story.places, story.missed = evenly(found, story.most or len(found)), []
    async with asyncio.TaskGroup() as lanes:
        for _ in range(_LANES):
            lanes.create_task(_lane(story))
    print(f"\n{len(story.died)} deaths, of {len(found)} places:", *story.died, sep="\n  ")
    print("not passed by again:", story.missed)


def evenly(places: list[str], most: int) -> list[str]:
    """At most so many of them, as far apart as can be."""
    count = min(most, len(places))
    return [places[number * len(places) // count] for number in range(count)]


async def _lane(story: Story) -> None:
    """A service dies, and the next one begins with what it left, before it dies at another place."""
    with chosen() as kind, inside(kind.url) as looking:
        life: Life | None = None
        while story.places:
            life = await one_life(story, story.places.pop(0), kind.url, looking, life)
        if life is not None:
            await one_life(story, "", kind.url, looking, life)


async def one_life(story: Story, place: str, url: str, looking: Inside, before: Life | None) -> Life | None:
    """What the service before has left is made good, then this one dies. What it leaves is returned, if it did."""
    trace = story.directory / f"{place.replace(' ', '-')}-{story.missed.count(place)}"
    dies = {"VICTIM_MESSAGE": trace.name, "VICTIM_DIES": place, "VICTIM_LAST": story.last, "VICTIM_TRACE": str(trace)}
    with victim(url, story.tools, environment=dies) as service:
        await service.ready(within=60)
        async with user_of(service) as ada:
            if before is not None:
                await _recovered(before, ada, looking)
            if not place:
                return None
            life = story.life(trace.name, await ada.conversation(story.provider.url), story.tools)
            await life.live(looking, lambda: service.process.poll() is not None)
            if await _survived(story, service, trace, place):
                await _recovered(life, ada, looking)
                story.miss(place)
                return None
            assert lines(trace)[-1] == place
            story.died.append(place)
            return life


async def _survived(story: Story, service: Service, trace: Path, place: str) -> bool:
    """Whether the life came to its end; else the process did."""

    def ended() -> bool:
        passed = lines(trace)
        return service.process.poll() is not None or (story.last in passed and place not in passed)

    await wait_until(ended, f"death {place} or the end of the life", within=30)
    return service.process.poll() is None


async def _recovered(life: Life, ada: User, looking: Inside) -> None:
    """It is made good, and the session is of use."""
    talk = life.talk = the_same(life.talk, ada)
    await life.recover(looking)
    before = len(await talk.messages())
    await talk.told("[[text=Again]]")
    await talk.idle()
    assert [each.text() for each in await talk.messages()][before:] == ["[[text=Again]]", "Again"]
    await wait_until(looking.at_rest, "nothing waits")
