"""Clients that come and go: whatever happens, over all their lives they must have seen each event once and in order."""

import asyncio
import os
import random

import aiohttp

from agentsvc.domain.events import Custom, Event, ReplyEnd, Unknown, decode_event
from tests.service import Conversation, Service

# Many clients read the same bytes.
_decoded: dict[bytes, Event | Unknown] = {}


def seeded() -> random.Random:
    """Chance that can be had again: the seed is printed, and ``CHAOS_SEED`` sets it."""
    seed = int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"seed {seed}")
    return random.Random(seed)  # noqa: S311 - it guards nothing


def split(chance: random.Random) -> random.Random:
    """Chance of one's own, whatever others do with theirs."""
    return random.Random(chance.random())  # noqa: S311


class Follower:
    """One client of one session; ``seqs`` and ``events`` are what it has seen, ``lives`` how often it came."""

    def __init__(self, http: aiohttp.ClientSession, talk: Conversation, chance: random.Random) -> None:
        self._http = http
        self._talk = talk
        self._chance = chance
        self.lives = 0
        self.seqs: list[int] = []
        self.events: list[Event] = []
        self.notices: list[str] = []

    @property
    def ended(self) -> bool:
        return bool(self.events) and isinstance(self.events[-1], ReplyEnd)

    @property
    def cursor(self) -> int | None:
        """The last event that was seen. Without one a stream begins with the reply in flight."""
        return self.seqs[-1] if self.seqs else None

    async def follow(self, *services: Service, longest: float = 2.0) -> None:
        """Come and go until the reply has ended: no life is longer than that (seconds)."""
        while not self.ended:
            life = asyncio.timeout(self._chance.uniform(0, longest))
            try:
                async with life:
                    await self.live(self._chance.choice(services))
            except TimeoutError:
                if not life.expired():
                    raise
            await asyncio.sleep(self._chance.uniform(0, longest / 4))

    async def live(self, service: Service) -> None:
        """One life: until the reply ends or the stream does. Raises ClientPayloadError when the body is cut off."""
        self.lives += 1
        headers = {"x-user-id": self._talk.user.name}
        if self.cursor is not None:
            headers["last-event-id"] = str(self.cursor)
        async with self._http.get(service.url + self._talk.path("/stream"), headers=headers) as response:
            response.raise_for_status()
            rest = b""
            async for piece in response.content.iter_any():
                *frames, rest = (rest + piece).split(b"\n\n")
                for frame in frames:
                    self._take(frame)
                if self.ended:
                    return
            assert rest == b"", "a stream ends in the middle of an event"

    def take(self, event: Event) -> None:
        """One more event has come."""

    def _take(self, frame: bytes) -> None:
        head, found, data = frame.partition(b"data: ")
        if not found:
            return  # a heartbeat
        event = _decoded.get(data) or _decoded.setdefault(data, decode_event(data))
        assert not isinstance(event, Unknown)
        if head:
            self.seqs.append(int(head.removeprefix(b"id: ")))
            self.events.append(event)
            self.take(event)
        else:
            assert isinstance(event, Custom)
            self.notices.append(event.name)
