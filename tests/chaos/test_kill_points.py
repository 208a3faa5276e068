"""P1 and P2: the service dies at every single await on Redis between a message and the end of its reply.

What was accepted is kept and answered once, whatever the place: transcript, context, log, inbox and queue agree.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from agentsvc.domain.events import ReplyEnd
from agentsvc.domain.messages import Msg, ToolResultBlock, decode_message
from tests.chaos.conftest import Inside, inside, the_same, victim
from tests.chaos.victim import LAST
from tests.conftest import wait_until
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.redis_server import redis_server
from tests.service import Conversation, Service, User, message, replies, user_of

pytestmark = pytest.mark.chaos

_LANES = 4  # services that are killed side by side, each with a Redis of its own
_TRIES = 3  # for a place that was not passed by again


@dataclass
class Story:
    """What is said to a service that dies. ``directive`` may hold the id of the message as ``{mark}``.

    ``places`` are those where it still has to die; ``missed`` those that it did not come to, since it works faster or
    slower from one time to the next.
    """

    directive: str
    reply: str
    provider: OpenAIServer
    directory: Path
    check: Callable[["Death", Msg], None] = lambda death, reply: None
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


@dataclass
class Death:
    """One message, of which ``mark`` is the id, and in whose course the service dies."""

    story: Story
    mark: str
    talk: Conversation
    accepted: bool = False

    async def say(self) -> None:
        with suppress(httpx.TransportError):
            answer = await self.talk.say(message(self.story.directive.replace("{mark}", self.mark), id=self.mark))
            self.accepted = answer.is_success


async def sweep(story: Story) -> None:
    """Live once and see what places there are; then die at every one of them, in lanes."""
    with redis_server() as url, inside(url) as looking:
        assert await _life(story, "nowhere", url, looking, None) is None
    story.places, story.missed = lines(story.directory / "nowhere-0"), []
    async with asyncio.TaskGroup() as lanes:
        for _ in range(_LANES):
            lanes.create_task(_lane(story))
    print(f"\n{len(story.died)} deaths:", *story.died, sep="\n  ")
    print("not passed by again:", story.missed)


async def _lane(story: Story) -> None:
    """A service dies, and the next one begins with what it left, before it dies at another place."""
    with redis_server() as url, inside(url) as looking:
        death: Death | None = None
        while story.places:
            death = await _life(story, story.places.pop(0), url, looking, death)
        if death is not None:
            await _life(story, "", url, looking, death)


async def _life(story: Story, place: str, url: str, looking: Inside, before: Death | None) -> Death | None:
    """What the service before has left is made good, then this one dies. The death is returned, if there was one."""
    trace = story.directory / f"{place.replace(' ', '-')}-{story.missed.count(place)}"
    dies = {"VICTIM_MESSAGE": trace.name, "VICTIM_DIES": place, "VICTIM_TRACE": str(trace)}
    with victim(url, story.tools, environment=dies) as service:
        await service.ready(within=60)
        async with user_of(service) as ada:
            if before is not None:
                await _recover(before, ada, looking)
            if not place:
                return None
            death = Death(story, trace.name, await ada.conversation(story.provider.url))
            await death.say()
            if await _survived(service, trace, place):
                await _recover(death, ada, looking)
                story.miss(place)
                return None
            assert lines(trace)[-1] == place
            story.died.append(place)
            return death


async def _survived(service: Service, trace: Path, place: str) -> bool:
    """Whether the run came to its end; else the process did."""

    def ended() -> bool:
        passed = lines(trace)
        return service.process.poll() is not None or (LAST in passed and place not in passed)

    await wait_until(ended, f"death {place} or the end of the run", within=30)
    return service.process.poll() is None


async def _recover(death: Death, ada: User, looking: Inside) -> None:
    """A client that got no answer says it again, one that got it waits: then everything must be there once."""
    talk = death.talk = the_same(death.talk, ada)
    if not death.accepted:
        await death.say()
        assert death.accepted
    await talk.idle(within=20)
    await wait_until(looking.at_rest, f"nothing waits after {death.mark}", within=20)
    await _is_whole(death, looking)
    await talk.told("[[text=Again]]")
    await talk.idle()
    assert [each.text() for each in await talk.messages()][2:] == ["[[text=Again]]", "Again"]
    await wait_until(looking.at_rest, "nothing waits")


async def _is_whole(death: Death, looking: Inside) -> None:
    said, reply = await death.talk.messages()
    assert (said.id, said.role) == (death.mark, "user")
    assert (reply.role, reply.finished_reason) == ("assistant", "completed")
    assert reply.text() == death.story.reply
    death.story.check(death, reply)
    async with death.talk.stream(after=0) as stream:
        await stream.until(ReplyEnd)
    events = stream.events[1:]
    assert [event.id for event in events] == [str(seq) for seq in range(1, len(events) + 1)]
    assert replies(events) == [reply]
    kept = looking.of_session(death.talk.session_id)
    assert len(kept["log"]) == len(events)
    assert kept["inbox"] == []
    assert [decode_message(raw) for raw in kept["context"]] == [said, reply]


def _calls_agree(death: Death, reply: Msg) -> None:
    """What the results say is what the tools did."""
    made = Counter(lines(death.story.tools))
    once, again = (block for block in reply.content if isinstance(block, ToolResultBlock))
    assert made[f"once {death.mark}"] in {"success": (1,), "interrupted": (0, 1)}[once.state]
    assert again.state == "success"
    assert made[f"again {death.mark}"] in (1, 2)


_STEPS = ("accept", "push", "bundle", "take", "write", "release", "done")


async def test_a_message_is_answered_once_wherever_the_service_dies(provider: OpenAIServer, tmp_path: Path) -> None:
    story = Story("[[text=Hello%20there%20Ada d=5]]", "Hello there Ada", provider, tmp_path)

    await asyncio.wait_for(sweep(story), 400)

    firsts = {f"{moment} {step} 1" for step in _STEPS for moment in ("before", "after")} | {"after XREADGROUP 1"}
    assert firsts <= {*story.died}
    assert {"before write 3", "after write 3"} <= {*story.died}


async def test_a_call_is_made_once_wherever_the_service_dies_unless_it_may_be_repeated(
    provider: OpenAIServer, tmp_path: Path
) -> None:
    arguments = quote(json.dumps({"mark": "MARK"})).replace("MARK", "{mark}")
    story = Story(
        f"[[tool=once,again args={arguments} text=All%20done d=5]]", "All done", provider, tmp_path, check=_calls_agree
    )

    await asyncio.wait_for(sweep(story), 400)

    assert {f"{moment} write {n}" for n in range(1, 6) for moment in ("before", "after")} <= {*story.died}


async def test_a_message_that_was_kept_but_never_announced_is_answered_though_nobody_says_it_again(
    provider: OpenAIServer, tmp_path: Path
) -> None:
    story = Story("[[text=Hello%20there%20Ada]]", "Hello there Ada", provider, tmp_path)
    with redis_server() as url, inside(url) as looking:
        death = await _life(story, "after accept 1", url, looking, None)
        assert death is not None
        assert (death.accepted, looking.queued(), looking.noted()) == (False, 0, 1)

        death.accepted = True
        await _life(story, "", url, looking, death)
