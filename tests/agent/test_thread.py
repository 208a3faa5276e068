"""Plain functions and generators as tools: what runs beside the event loop."""

import asyncio
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from agentsvc.agent.tool import tool
from tests.agent.calls import chunks, texts

PATIENCE = 10  # seconds, for what happens at once when it happens at all


async def test_a_plain_function_does_not_block_the_event_loop():
    loop_is_alive = threading.Event()

    @tool
    def wait() -> bool:
        return loop_is_alive.wait(PATIENCE)

    async def heartbeat() -> None:
        loop_is_alive.set()

    (result, _) = await asyncio.gather(texts(wait), heartbeat())

    assert result == ["true"]


async def test_a_generator_is_advanced_without_blocking_the_event_loop():
    asked, answered = threading.Event(), threading.Event()

    @tool
    def ask() -> Iterator[str]:
        yield "first"
        asked.set()
        yield str(answered.wait(PATIENCE))

    async def answer(until_asked: Any) -> None:
        await asyncio.to_thread(until_asked, PATIENCE)
        answered.set()

    (result, _) = await asyncio.gather(texts(ask), answer(asked.wait))

    assert result == ["first", "True"]


async def test_a_generator_lives_in_one_thread_that_is_not_the_loops():
    threads = []

    @tool
    def where() -> Iterator[int]:
        for n in range(3):
            threads.append(threading.get_ident())
            yield n

    await chunks(where)

    assert len(threads) == 3
    assert len(set(threads)) == 1
    assert threading.get_ident() not in threads


async def test_items_come_one_at_a_time():
    made = []

    @tool
    def count() -> Iterator[int]:
        for n in range(3):
            made.append(n)
            yield n

    counting = count.call()
    await anext(counting)

    assert made == [0]
    await counting.aclose()


async def test_context_variables_reach_the_thread_and_do_not_come_back():
    tenant = ContextVar("tenant", default="nobody")
    tenant.set("ada")

    @tool
    def look() -> Iterator[str]:
        yield tenant.get()
        tenant.set("eve")
        yield tenant.get()

    assert await texts(look) == ["ada", "eve"]
    assert tenant.get() == "ada"


@pytest.mark.parametrize("error", [ValueError("no"), StopIteration("no"), SystemExit("no")])
async def test_what_a_plain_function_raises_is_raised(error):
    @tool
    def fail() -> None:
        raise error

    with pytest.raises((ValueError, RuntimeError, SystemExit), match="no"):
        await chunks(fail)


async def test_closing_early_closes_the_generator_in_its_thread():
    closed = threading.Event()
    threads = set()

    @tool
    def forever() -> Iterator[str]:
        try:
            while True:
                threads.add(threading.get_ident())
                yield "on"
        finally:
            threads.add(threading.get_ident())
            closed.set()

    running = forever.call()
    await anext(running)
    await running.aclose()

    assert await asyncio.to_thread(closed.wait, PATIENCE)
    assert len(threads) == 1


async def test_a_cancellation_is_not_held_up_by_the_thread_and_closes_the_generator():
    busy, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    @tool
    def stuck() -> Iterator[bool]:
        try:
            yield False
            busy.set()
            yield go_on.wait(PATIENCE)
        finally:
            closed.set()

    task = asyncio.create_task(chunks(stuck))
    await asyncio.to_thread(busy.wait, PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not closed.is_set()
    go_on.set()
    assert await asyncio.to_thread(closed.wait, PATIENCE)


async def test_threads_end_with_their_calls(until):
    @tool
    def name_of_thread() -> str:
        return threading.current_thread().name

    for _ in range(20):
        await chunks(name_of_thread)

    await until(
        lambda: not [each for each in threading.enumerate() if each.name == "name_of_thread"], "all threads have ended"
    )
