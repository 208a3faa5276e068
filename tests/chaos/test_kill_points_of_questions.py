"""P1, P2 and P5 with people in the loop: the service dies in the middle of what is asked, answered and delivered."""

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
import msgspec
import pytest

from agentsvc.domain.events import ReplyEnd, ReplyStart, RequireExternalExecution, RequireUserConfirm
from agentsvc.domain.messages import Msg, ToolCallBlock, decode_message
from agentsvc.domain.states import AgentState
from tests.chaos.conftest import Inside
from tests.chaos.deaths import Life, Story, sweep
from tests.conftest import wait_until
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.questions import ASKING, approvals, confirmed, delivered, results, rule, text_of
from tests.service import message, replies

pytestmark = pytest.mark.chaos

_MOST = int(os.environ.get("CHAOS_DEATHS") or 24)  # of some 160 places
_RUNS = 4  # the message, what is said while it waits, the answer, the result
_PATIENCE = 40.0


@dataclass
class Client(Life):
    """Does one thing after the other, by what it sees when nothing else happens."""

    async def live(self, looking: Inside, gone: Callable[[], bool]) -> None:
        async def step() -> bool:
            """Whether nothing is left to do. Looks into Redis, since a request would be one more place to die at."""
            if gone():
                return True
            if not looking.at_rest():
                return False
            with suppress(httpx.TransportError):
                return await self.step(looking)
            return False

        await wait_until(step, f"{self.mark} comes to its end", within=_PATIENCE)

    @abstractmethod
    async def step(self, looking: Inside) -> bool:
        """Do what is next, or say that all is done."""


class Questioned(Client):
    """A call is asked about and allowed for good, the next one is carried out by the client, the last one runs unasked.

    Something is said while the reply waits for the answer, and is heard afterwards.
    """

    @property
    def second(self) -> str:
        return f"{self.mark}-second"

    async def step(self, looking: Inside) -> bool:
        given = self._next(looking)
        if given is not None:
            answer = await self.talk.say(given)
            assert answer.status_code == 200, answer.text
        return given is None

    def _next(self, looking: Inside) -> Any:
        """What a client does who sees this; none when all is said."""
        kept = looking.of_session(self.talk.session_id)
        known = {name.decode() for name in kept["messages"]}
        if self.mark not in known:
            arguments = quote(json.dumps({"mark": self.mark}))
            return message(f"[[tool=deploy,camera,deploy args={arguments} text=All%20done]]", id=self.mark)
        reply = next(each for each in map(decode_message, kept["context"]) if each.role == "assistant")
        calls = [block for block in reply.content if isinstance(block, ToolCallBlock)]
        if asking := [call for call in calls if call.state == "asking"]:
            if self.second not in known:
                return message("[[text=Heard]]", id=self.second)
            question = RequireUserConfirm(reply_id=reply.id, tool_calls=asking)
            return confirmed(question, rules=[rule()])
        closed = {result.id for result in results(reply) if result.state != "running"}
        if handed := [call for call in calls if call.state == "submitted" and call.id not in closed]:
            return delivered(RequireExternalExecution(reply_id=reply.id, tool_calls=handed))
        return None

    async def recover(self, looking: Inside) -> None:
        """A client that comes back does what is still to be done."""
        await self.live(looking, lambda: False)
        await self.talk.idle(within=20)
        reply, heard = await self._transcript()
        await self._log_agrees(looking, reply, heard)
        self._tools_agree(reply)
        await self._questions_agree(looking, reply)

    async def _transcript(self) -> tuple[Msg, Msg]:
        said = await self.talk.messages()
        first, reply, second, heard = said
        assert (first.id, second.id) == (self.mark, self.second)
        assert [each.role for each in said] == ["user", "assistant"] * 2
        assert (reply.finished_reason, heard.finished_reason) == ("completed", "completed")
        assert (reply.text(), heard.text()) == ("All done", "Heard")
        return reply, heard

    async def _log_agrees(self, looking: Inside, reply: Msg, heard: Msg) -> None:
        async with self.talk.stream(after=0) as stream:
            for _ in (reply, heard):
                await stream.until(ReplyEnd)
        events = stream.events[1:]
        kept = looking.of_session(self.talk.session_id)
        assert [event.id for event in events] == [str(seq) for seq in range(1, len(events) + 1)]
        assert replies(events) == [reply, heard]
        assert [event.reply_id for event in events if isinstance(event, ReplyStart)] == [reply.id, heard.id]
        assert (len(kept["log"]), kept["inbox"]) == (len(events), [])
        assert [decode_message(raw) for raw in kept["context"]] == await self.talk.messages()
        asked = [call.id for event in events if isinstance(event, RequireUserConfirm) for call in event.tool_calls]
        handed = [
            call.id for event in events if isinstance(event, RequireExternalExecution) for call in event.tool_calls
        ]
        ids = [block.id for block in reply.content if isinstance(block, ToolCallBlock)]
        assert (asked, handed) == (ids[:1], ids[1:2])

    def _tools_agree(self, reply: Msg) -> None:
        """None has run twice, and the one that said so has run."""
        states = [result.state for result in results(reply) if result.name == "deploy"]
        (photograph,) = (result for result in results(reply) if result.name == "camera")
        made = Counter(lines(self.tools))[f"deploy {self.mark}"]
        assert len(states) == 2
        assert states.count("success") <= made <= states.count("success") + states.count("interrupted")
        assert set(states) <= {"success", "interrupted"}
        assert (photograph.state, text_of(photograph)) == ("success", "a cat")

    async def _questions_agree(self, looking: Inside, reply: Msg) -> None:
        async def answered() -> bool:
            return {each["status"] for each in await approvals(self.talk)} == {"approved", "executed"}

        await wait_until(answered, "the records say what became of the questions")
        records = {each["id"]: each for each in await approvals(self.talk)}
        calls = {block.id: block for block in reply.content if isinstance(block, ToolCallBlock)}
        state = msgspec.json.decode(looking.of_session(self.talk.session_id)["state"], type=AgentState)
        assert len(records) == 2
        for call_id, record in records.items():
            assert (record["reply_id"], record["tool_name"]) == (reply.id, calls[call_id].name)
            assert record["answered_by"] == "ada"
        assert (state.waiting, state.approvals) == ([], [])
        assert msgspec.to_builtins(state.permission_context.allow_rules) == {"deploy": [rule()]}


class Stopped(Client):
    """A question that nobody answers, since its reply is stopped while it waits."""

    async def step(self, looking: Inside) -> bool:
        kept = looking.of_session(self.talk.session_id)
        if self.mark.encode() not in kept["messages"]:
            arguments = quote(json.dumps({"mark": self.mark}))
            answer = await self.talk.say(message(f"[[tool=deploy args={arguments}]]", id=self.mark))
            assert answer.status_code == 200, answer.text
            return False
        if kept["head"][b"status"] != ASKING.encode():
            return bool(kept["head"][b"status"] == b"idle")
        answer = await self.talk.interrupt()
        assert answer.status_code == 202, answer.text
        return False

    async def recover(self, looking: Inside) -> None:
        await self.live(looking, lambda: False)
        await self.talk.idle(within=20)
        said, reply = await self.talk.messages()
        async with self.talk.stream(after=0) as stream:
            await stream.until(ReplyEnd)
        kept = looking.of_session(self.talk.session_id)
        records = await approvals(self.talk)
        assert (said.id, reply.finished_reason) == (self.mark, "interrupted")
        assert [result.state for result in results(reply)] == ["interrupted"]
        assert replies(stream.events[1:]) == [reply]
        assert (len(kept["log"]), kept["inbox"]) == (len(stream.events) - 1, [])
        assert [(each["id"], each["status"]) for each in records] == [(results(reply)[0].id, "withdrawn")]
        assert f"deploy {self.mark}" not in lines(self.tools)


async def test_a_question_is_asked_and_answered_once_wherever_the_service_dies(
    provider: OpenAIServer, tmp_path: Path
) -> None:
    story = Story(Questioned, provider, tmp_path, last=f"after done {_RUNS}", most=_MOST)

    await asyncio.wait_for(sweep(story), 400)

    assert len(story.died) > _MOST // 2
    assert {place.split()[1] for place in story.died} >= {"accept", "write"}


async def test_a_reply_that_waits_is_stopped_once_wherever_the_service_dies(
    provider: OpenAIServer, tmp_path: Path
) -> None:
    story = Story(Stopped, provider, tmp_path, last="after done 2", most=_MOST // 2)

    await asyncio.wait_for(sweep(story), 400)

    assert len(story.died) > _MOST // 4
