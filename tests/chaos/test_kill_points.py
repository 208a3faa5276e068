"""P1 and P2: the service dies at every single await on Redis between a message and the end of its reply.

What was accepted is kept and answered once, whatever the place: transcript, context, log, inbox and queue agree.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from agentsvc.domain.events import ReplyEnd
from agentsvc.domain.messages import Msg, ToolResultBlock, decode_message
from tests.chaos.conftest import Inside, inside
from tests.chaos.deaths import Life, Story, one_life, sweep
from tests.conftest import wait_until
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.redis_kinds.chosen import chosen
from tests.service import message, replies

pytestmark = pytest.mark.chaos


@dataclass
class Answered(Life):
    """One message and its reply. ``directive`` may hold the id of the message as ``{mark}``."""

    directive: str
    reply: str
    accepted: bool = False

    async def live(self, looking: Inside, gone: Callable[[], bool]) -> None:
        with suppress(httpx.TransportError):
            answer = await self.talk.say(message(self.directive.replace("{mark}", self.mark), id=self.mark))
            self.accepted = answer.is_success

    async def recover(self, looking: Inside) -> None:
        """A client that got no answer says it again, one that got it waits."""
        if not self.accepted:
            await self.live(looking, lambda: False)
            assert self.accepted
        await self.talk.idle(within=20)
        await wait_until(looking.at_rest, f"nothing waits after {self.mark}", within=20)
        await self._is_whole(looking)

    async def _is_whole(self, looking: Inside) -> None:
        said, reply = await self.talk.messages()
        assert (said.id, said.role) == (self.mark, "user")
        assert (reply.role, reply.finished_reason) == ("assistant", "completed")
        assert reply.text() == self.reply
        self.check(reply)
        async with self.talk.stream(after=0) as stream:
            await stream.until(ReplyEnd)
        events = stream.events[1:]
        assert [event.id for event in events] == [str(seq) for seq in range(1, len(events) + 1)]
        assert replies(events) == [reply]
        kept = looking.of_session(self.talk.session_id)
        assert len(kept["log"]) == len(events)
        assert kept["inbox"] == []
        assert [decode_message(raw) for raw in kept["context"]] == [said, reply]

    def check(self, reply: Msg) -> None:
        """What else must hold of the reply."""


class Called(Answered):
    """The reply calls two tools; what the results say is what the tools did."""

    def check(self, reply: Msg) -> None:
        made = Counter(lines(self.tools))
        once, again = (block for block in reply.content if isinstance(block, ToolResultBlock))
        assert made[f"once {self.mark}"] in {"success": (1,), "interrupted": (0, 1)}[once.state]
        assert again.state == "success"
        assert made[f"again {self.mark}"] in (1, 2)


_STEPS = ("accept", "push", "bundle", "take", "write", "release", "done")


async def test_a_message_is_answered_once_wherever_the_service_dies(provider: OpenAIServer, tmp_path: Path) -> None:
    life = partial(Answered, directive="[[text=Hello%20there%20Ada d=5]]", reply="Hello there Ada")
    story = Story(life, provider, tmp_path)

    await asyncio.wait_for(sweep(story), 400)

    firsts = {f"{moment} {step} 1" for step in _STEPS for moment in ("before", "after")} | {"after XREADGROUP 1"}
    assert firsts <= {*story.died}
    assert {"before write 3", "after write 3"} <= {*story.died}


async def test_a_call_is_made_once_wherever_the_service_dies_unless_it_may_be_repeated(
    provider: OpenAIServer, tmp_path: Path
) -> None:
    arguments = quote(json.dumps({"mark": "MARK"})).replace("MARK", "{mark}")
    directive = f"[[tool=once,again args={arguments} text=All%20done d=5]]"
    story = Story(partial(Called, directive=directive, reply="All done"), provider, tmp_path)

    await asyncio.wait_for(sweep(story), 400)

    assert {f"{moment} write {n}" for n in range(1, 6) for moment in ("before", "after")} <= {*story.died}


async def test_a_message_that_was_kept_but_never_announced_is_answered_though_nobody_says_it_again(
    provider: OpenAIServer, tmp_path: Path
) -> None:
    life = partial(Answered, directive="[[text=Hello%20there%20Ada]]", reply="Hello there Ada")
    story = Story(life, provider, tmp_path)
    with chosen() as kind, inside(kind.url) as looking:
        death = await one_life(story, "after accept 1", kind.url, looking, None)
        assert isinstance(death, Answered)
        assert (death.accepted, looking.queued(), looking.noted()) == (False, 0, 1)

        death.accepted = True
        await one_life(story, "", kind.url, looking, death)
