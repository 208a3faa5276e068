"""P1, P2 and P9: the service dies while somebody joins in, takes the agent off its work, or stops it."""

import asyncio
import json
import os
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from agentsvc.domain.events import ReplyEnd, TextBlockDelta, ToolCallStart, decode_event
from agentsvc.domain.messages import HintBlock, Msg, decode_message
from tests.chaos.conftest import Inside
from tests.chaos.deaths import Life, Story, sweep
from tests.conftest import wait_until
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.questions import results
from tests.service import message, replies

pytestmark = pytest.mark.chaos

_MOST = int(os.environ.get("CHAOS_DEATHS") or 12)  # of some 40 places
_PATIENCE = 40.0
_LONG = "[[n=3 hang=mid]]"  # three words, and nothing will follow


@dataclass
class Meanwhile(Life):
    """Something is said, and while the agent is at work on it something else happens."""

    first = _LONG

    @property
    def second(self) -> str:
        return f"{self.mark}-second"

    async def live(self, looking: Inside, gone: Callable[[], bool]) -> None:
        async def ended() -> bool:
            """Looks into Redis, since a request would be one more place to die at."""
            if gone():
                return True
            kept = looking.of_session(self.talk.session_id)
            with suppress(httpx.TransportError):
                if self.mark.encode() not in kept["messages"]:
                    await self._say(self.first.replace("MARK", self.mark), self.mark)
                elif words(kept) and not self.happened(kept):
                    await self.happen()
            return looking.at_rest() and self.happened(looking.of_session(self.talk.session_id))

        await wait_until(ended, f"{self.mark} comes to its end", within=_PATIENCE)

    @abstractmethod
    def happened(self, kept: dict[str, Any]) -> bool:
        """Whether it is in Redis that it has."""

    @abstractmethod
    async def happen(self) -> None:
        """What happens while the agent is at work; it may happen again."""

    @abstractmethod
    def check(self, said: list[Msg]) -> None:
        """What must hold of the transcript."""

    async def recover(self, looking: Inside) -> None:
        await self.live(looking, lambda: False)
        await self.talk.idle(within=20)
        said = await self.talk.messages()
        async with self.talk.stream(after=0) as stream:
            for _ in range(ends(looking.of_session(self.talk.session_id))):
                await stream.until(ReplyEnd)
        events, kept = stream.events[1:], looking.of_session(self.talk.session_id)
        assert [event.id for event in events] == [str(seq) for seq in range(1, len(events) + 1)]
        assert len(kept["log"]) == len(events)
        assert kept["inbox"] == []
        joined = {block.id for each in said for block in each.content if isinstance(block, HintBlock)}
        assert [decode_message(raw) for raw in kept["context"]] == [each for each in said if each.id not in joined]
        discarded = {each.reply_id for each in events if isinstance(each, ReplyEnd) and each.metadata}
        assert [each for each in replies(events) if each.id not in discarded] == [
            each for each in said if each.role == "assistant"
        ]
        self.check(said)

    async def _say(self, text: str, name: str, policy: str = "queue") -> None:
        body = {"agent_id": self.talk.agent_id, "session_id": self.talk.session_id, "input": message(text, id=name)}
        answer = await self.talk.user.ask("POST", "/chat/", {**body, "busy_policy": policy})
        assert answer.status_code == 200, answer.text


class Displaced(Meanwhile):
    """A second message stops the reply to the first one, and is answered."""

    def happened(self, kept: dict[str, Any]) -> bool:
        return self.second.encode() in kept["messages"]

    async def happen(self) -> None:
        arguments = quote(json.dumps({"mark": self.mark}))
        await self._say(f"[[tool=once args={arguments} text=Done]]", self.second, "interrupt")

    def check(self, said: list[Msg]) -> None:
        first, stopped, second, answered = said
        made = Counter(lines(self.tools))[f"once {self.mark}"]
        (result,) = results(answered)
        assert (first.id, second.id) == (self.mark, self.second)
        assert (stopped.finished_reason, answered.finished_reason) == ("interrupted", "completed")
        assert answered.text() == "Done"
        assert made in {"success": (1,), "interrupted": (0, 1)}[result.state]


class Joined(Meanwhile):
    """A second message joins in, or is answered on its own when it comes too late for that."""

    first = f"[[tool=once args={quote(json.dumps({'mark': 'MARK'}))} n=2 text=Done d=30]]"

    def happened(self, kept: dict[str, Any]) -> bool:
        return self.second.encode() in kept["messages"]

    async def happen(self) -> None:
        await self._say("[[text=Heard]]", self.second)

    def check(self, said: list[Msg]) -> None:
        made = [each for each in said if each.role == "assistant"]
        joined = [block.id for each in made for block in each.content if isinstance(block, HintBlock)]
        (result,) = results(made[0])
        assert {each.id for each in said if each.role == "user"} == {self.mark, self.second}
        assert [each.finished_reason for each in made] == ["completed"] * (1 if joined else 2)
        assert joined in ([], [self.second])
        assert (made[-1].text() or "").endswith("Heard")
        assert Counter(lines(self.tools))[f"once {self.mark}"] in {"success": (1,), "interrupted": (0, 1)}[result.state]


class Discarded(Meanwhile):
    """The reply is stopped, and is to be as if it had never been."""

    def happened(self, kept: dict[str, Any]) -> bool:
        return b"stop" in kept["head"] or ends(kept) > 0

    async def happen(self) -> None:
        answer = await self.talk.user.ask("POST", self.talk.path("/interrupt") + "&strength=discard")
        assert answer.status_code == 202, answer.text

    def check(self, said: list[Msg]) -> None:
        assert [each.id for each in said] == [self.mark]


def words(kept: dict[str, Any]) -> int:
    """How many pieces of text, or calls, the log has."""
    return sum(isinstance(decode_event(fields[b"e"]), TextBlockDelta | ToolCallStart) for _, fields in kept["log"])


def ends(kept: dict[str, Any]) -> int:
    return sum(isinstance(decode_event(fields[b"e"]), ReplyEnd) for _, fields in kept["log"])


@pytest.mark.parametrize("life", [Displaced, Joined, Discarded])
async def test_what_happens_meanwhile_happens_once_wherever_the_service_dies(
    provider: OpenAIServer, tmp_path: Path, life: type[Meanwhile]
) -> None:
    story = Story(life, provider, tmp_path, last="after done 1", most=_MOST)

    await asyncio.wait_for(sweep(story), 400)

    assert len(story.died) > _MOST // 2
