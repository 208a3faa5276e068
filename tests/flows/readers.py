"""What clients make of streams."""

from collections.abc import Sequence
from contextlib import suppress

import anyio
import httpx

from agentsvc.domain.events import STREAM_RESUMED, Custom, Event, ReplyEnd, TextBlockDelta
from tests.service import Away, Conversation


def words_in(events: Sequence[Event]) -> int:
    """How many words have come, however they were parted into deltas: each ends with a space."""
    return sum(event.delta.count(" ") for event in events if isinstance(event, TextBlockDelta))


async def followed(talk: Conversation, ends: int = 1, after: int = 0, within: float = 40) -> list[Event]:
    """The events of so many replies, by a client that comes back with its cursor whenever it is cut off."""
    events: list[Event] = []
    with anyio.fail_after(within):
        while sum(isinstance(event, ReplyEnd) for event in events) < ends:
            with suppress(httpx.TransportError, StopAsyncIteration, Away):
                await _follow(talk, events, ends, after)
    return events


async def _follow(talk: Conversation, events: list[Event], ends: int, after: int) -> None:
    async with talk.stream(after=int(events[-1].id) if events else after) as stream:
        greeting = await stream.next()
        assert isinstance(greeting, Custom)
        assert greeting.name == STREAM_RESUMED, greeting
        while sum(isinstance(event, ReplyEnd) for event in events) < ends:
            events.append(await stream.next())


def is_dense(events: Sequence[Event]) -> bool:
    """Whether these are the events of a session from the first one on, each once and in order."""
    return [int(event.id) for event in events] == list(range(1, len(events) + 1))
