"""Replies as subscribers see them."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.bench.adapters.adapter import Session
from tests.bench.figures import median, now_us
from tests.bench.stack import Stack
from tests.bench.subscriber import Subscriber
from tests.bench.wire import Http

_CONTENT = re.compile(rb'"content":"([^"]*)"')
_AT_ONCE = 25  # subscribers that join together


@asynccontextmanager
async def watched(
    stack: Stack, count: int = 1, session: Session | None = None
) -> AsyncIterator[tuple[Session, list[Subscriber]]]:
    """A session, a new one unless it is given, with open subscribers."""
    session = session or await stack.adapter.session(stack.http, stack.agent)
    subscribers = await joined(stack, [session] * count)
    await asyncio.sleep(0.15 if count < 50 else 0.6)  # what the service does beside joining is over
    try:
        yield session, subscribers
    finally:
        leave(subscribers)


async def joined(stack: Stack, sessions: Sequence[Session]) -> list[Subscriber]:
    """A subscriber for each."""
    subscribers = [subscriber(stack) for _ in sessions]
    pairs = list(zip(subscribers, sessions, strict=True))
    for start in range(0, len(pairs), _AT_ONCE):
        batch = pairs[start : start + _AT_ONCE]
        await asyncio.gather(*(each.open(stack.http, stack.adapter.stream(session)) for each, session in batch))
    return subscribers


def subscriber(stack: Stack) -> Subscriber:
    return Subscriber(stack.adapter.text, stack.adapter.is_end)


def leave(subscribers: Sequence[Subscriber]) -> None:
    for each in subscribers:
        each.close()


async def turn(
    stack: Stack, session: Session, subscribers: Sequence[Subscriber], text: str, *, limit: float = 120
) -> tuple[int, int]:
    """One reply, until its end is at every subscriber. When the request was sent, and when it was answered.

    A session that is busy is asked again; the time of the last request counts. Raises RuntimeError and TimeoutError.
    """
    for each in subscribers:
        each.reset()
    while True:
        sent = now_us()
        reply = await stack.http.call(*stack.adapter.chat(session, text))
        if reply.status != 409:
            break
        await asyncio.sleep(0.002)
    answered = now_us()
    if reply.status >= 300:
        raise RuntimeError(f"chat -> {reply.status} {reply.body[:200]!r}")
    await asyncio.wait_for(asyncio.gather(*(each.ended.wait() for each in subscribers)), limit)
    if broken := sum(each.broken for each in subscribers):
        raise RuntimeError(f"{broken} of {len(subscribers)} streams were cut off")
    return sent, answered


async def warm(stack: Stack) -> None:
    """One reply that nobody measures: the first one imports and connects."""
    async with watched(stack) as (session, subscribers):
        await turn(stack, session, subscribers, "[[n=50]]")


async def bare_model(stack: Stack, text: str, times: int = 15) -> tuple[float, float]:
    """The same reply from the fake model itself: microseconds to its first token and to its end."""
    firsts: list[float] = []
    wholes: list[float] = []
    body = {"model": "fake", "stream": True, "messages": [{"role": "user", "content": text}]}
    for _ in range(times):
        reader = Subscriber(_CONTENT, b"[DONE]")
        sent = now_us()
        await reader.open(Http(stack.model_port), ("POST", "/v1/chat/completions", {}, body))
        await reader.ended.wait()
        firsts.append(reader.first_token_at - sent)
        wholes.append(reader.last_at - sent)
        reader.close()
    return median(firsts) or 0.0, median(wholes) or 0.0
