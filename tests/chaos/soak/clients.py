"""Users, each with a session: they say things, answer questions, stop replies, and watch."""

import asyncio
import json
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import httpx
import msgspec

from agentsvc.domain.events import Event, RequireExternalExecution, RequireUserConfirm
from agentsvc.domain.messages import Msg
from tests.chaos.followers import Follower, split
from tests.chaos.soak.diary import Diary
from tests.chaos.soak.fleet import Fleet
from tests.questions import confirmed, delivered, refused
from tests.service import Conversation, message

Question = RequireUserConfirm | RequireExternalExecution

ANSWER = "re:"
"""Before the id of a message in the reply to it."""

_POLICIES = ("queue", "queue", "reject", "interrupt")
_STRENGTHS = ("step", "now", "discard")
_CALLS = ("once", "again", "once,again", "again,once", "deploy", "camera", "once,deploy", "deploy,camera")
_PAUSE_S = 6.0  # between what one client does and what it does next, on average


@dataclass
class Said:
    """One message. It is ``kept`` or not, or nobody knows yet; then ``run_id`` is to answer it."""

    id: str
    text: str
    policy: str
    kept: bool | None = None
    run_id: str = ""


class Watcher(Follower):
    """Follows a session until it is told to stop; ``asked`` are the questions that came."""

    def __init__(self, http: aiohttp.ClientSession, talk: Conversation, chance: random.Random) -> None:
        super().__init__(http, talk, chance)
        self.asked: asyncio.Queue[Question] = asyncio.Queue()

    @property
    def ended(self) -> bool:
        return False

    @property
    def cursor(self) -> int:
        return self.seqs[-1] if self.seqs else 0

    def take(self, event: Event) -> None:
        if isinstance(event, RequireUserConfirm | RequireExternalExecution):
            self.asked.put_nowait(event)

    async def watch(self, fleet: Fleet, longest: float = 10.0) -> None:
        """Come and go for ever: no life is longer than that (seconds)."""
        while True:
            life = asyncio.timeout(self._chance.uniform(0, longest))
            try:
                async with life:
                    await self.live(fleet.any().service)
            except aiohttp.ClientError:
                pass
            except TimeoutError:
                if not life.expired():
                    raise
            await asyncio.sleep(self._chance.uniform(0.1, 1))


class Client:
    """``said`` is what it said, in order."""

    def __init__(self, number: int, talk: Conversation, fleet: Fleet, watcher: Watcher, diary: Diary) -> None:
        self.name = f"s{number}"
        self.talk = talk
        self.watcher = watcher
        self.said: list[Said] = []
        self._fleet = fleet
        self._diary = diary
        self._chance = split(watcher._chance)
        self._last: Question | None = None

    async def live(self, over: asyncio.Event) -> None:
        """Do one thing after the other until it is over."""
        answering = asyncio.create_task(self._answer_all())
        try:
            while not over.is_set():
                await self._act()
                try:
                    await asyncio.wait_for(over.wait(), self._chance.uniform(0, 2 * _PAUSE_S))
                except TimeoutError:
                    continue
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    async def _act(self) -> None:
        """Say something; then perhaps something else at once, or stop."""
        await self.say(self._words(), self._chance.choice(_POLICIES))
        await asyncio.sleep(self._chance.choice((0, 0.1, 1)))
        match self._chance.randrange(6):
            case 0:
                await self.stop(self._chance.choice(_STRENGTHS))
            case 1:
                await self.say(self._words(), self._chance.choice(_POLICIES))
            case 2:
                await asyncio.gather(*(self.say(self._words(), "queue") for _ in range(2)))
            case _:
                pass

    def _words(self) -> str:
        """What the provider is to do; ``{id}`` is that of the message, and ``ANSWER`` with it what the reply says."""
        rest = "%20word" * self._chance.choice((3, 10, 60))
        said = f"text={ANSWER}{{id}}{rest} d={self._chance.choice((2, 20))}"
        match self._chance.randrange(4):
            case 0 | 1:
                return f"[[{said}]]"
            case 2:
                return f"[[think=3 {said}]]"
            case _:
                arguments = quote(json.dumps({"mark": "ID"})).replace("ID", "{id}")
                return f"[[tool={self._chance.choice(_CALLS)} args={arguments} {said}]]"

    async def say(self, words: str, policy: str) -> None:
        """Until it is known whether it is kept."""
        name = f"{self.name}-{len(self.said)}"
        said = Said(name, f"{name}: {words.replace('{id}', name)}", policy)
        self.said.append(said)
        answer = await self._insist("POST", "/chat/", self._body(message(said.text, id=said.id), policy))
        said.kept = answer.status_code == 200
        if said.kept:
            said.run_id = answer.json()["run_id"]
        elif answer.status_code != 409 or policy != "reject":
            self._diary.fault(f"{said.id}: {answer.status_code} {answer.text}")
        self._diary.note(f"{said.id} {policy}: {answer.status_code} {said.run_id}")

    async def stop(self, strength: str) -> None:
        answer = await self._insist("POST", self.talk.path("/interrupt") + f"&strength={strength}")
        self._diary.note(f"{self.name} stop {strength}: {answer.status_code}")
        if answer.status_code != 202:
            self._diary.fault(f"{self.name} stop {strength}: {answer.status_code} {answer.text}")

    async def _answer_all(self) -> None:
        while True:
            question = self._last = await self.watcher.asked.get()
            await asyncio.sleep(self._chance.choice((0, 0.5, 3)))
            await self._answer(question)

    async def _answer(self, question: Question) -> None:
        if isinstance(question, RequireExternalExecution):
            given = delivered(question)
        else:
            given = confirmed(question) if self._chance.random() < 0.8 else refused(question)
        answer = await self._insist("POST", "/chat/", self._body(given))
        self._diary.note(f"{self.name} answers {given['type']} of {question.reply_id}: {answer.status_code}")
        if answer.status_code != 200:
            self._diary.fault(f"{self.name} answers: {answer.status_code} {answer.text}")

    async def rest(self) -> None:
        """Until nothing happens any more; whatever is asked meanwhile is answered."""
        while (status := await self.status()) != "idle":
            while not self.watcher.asked.empty():
                self._last = self.watcher.asked.get_nowait()
            if status.startswith("awaiting") and self._last is not None:
                await self._answer(self._last)
            await asyncio.sleep(0.3)

    async def status(self) -> str:
        return str((await self._insist("GET", self.talk.path("/status"))).json()["status"])

    async def transcript(self) -> list[Msg]:
        """All of it, oldest first."""
        found: list[Msg] = []
        before = ""
        while True:
            path = self.talk.path("/messages") + "&limit=200" + (f"&before={before}" if before else "")
            page = (await self._insist("GET", path)).json()
            found = msgspec.convert(page["messages"], list[Msg]) + found
            before = page["next_cursor"]
            if not before:
                return found

    async def run_status(self, run_id: str) -> str:
        """As the run says; empty when nobody knows it any more."""
        return str((await self._insist("GET", f"/runs/{run_id}")).json().get("status", ""))

    def _body(self, given: Any, policy: str = "queue") -> dict[str, Any]:
        sent = {"agent_id": self.talk.agent_id, "session_id": self.talk.session_id, "input": given}
        return sent if policy == "queue" else {**sent, "busy_policy": policy}

    async def _insist(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Ask one service after the other until one gives an answer that decides."""
        while True:
            try:
                answer = await self._fleet.user(self.talk.user.name).ask(method, path, body)
            except (httpx.TransportError, RuntimeError):  # the second is a client that was closed with its service
                await asyncio.sleep(self._chance.uniform(0.05, 0.5))
                continue
            if answer.status_code == 500:
                self._diary.fault(f"{self.name} {method} {path}: {answer.text}")
            if answer.status_code < 500 and answer.status_code != 429:
                return answer
            await asyncio.sleep(self._chance.uniform(0.2, 1))
