"""What middlewares around a reply may do to its journal: nothing, however long they take."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest

from agentsvc.agent.agent import Agent, AgentMiddleware
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Grant
from agentsvc.domain import events as ev
from agentsvc.storage.store import Bundle
from tests.conftest import Until
from tests.fakes.models import Step, text
from tests.runs.conftest import Actors, Say, run_of
from tests.runs.test_run import folds, logged, transcript


class Dawdling(AgentMiddleware):
    """Does not come back from this kind of event."""

    def __init__(self, kind: type[Any]) -> None:
        self._kind = kind
        self.at_it = asyncio.Event()

    async def on_reply(self, agent: Agent, input_kwargs: dict[str, Any], next_handler: Any) -> AsyncGenerator[ev.Event]:
        events: AsyncIterator[ev.Event] = next_handler()
        async for event in events:
            yield event
            if isinstance(event, self._kind):
                self.at_it.set()
                await asyncio.Event().wait()


class Surrounded(Actors):
    """Makes agents with a middleware."""

    def __init__(self, middleware: AgentMiddleware, *script: Step) -> None:
        super().__init__(script)
        object.__setattr__(self, "middleware", middleware)

    middleware: AgentMiddleware

    async def agent(self, grant: Grant, records: Bundle | None) -> Agent:
        return Agent("bob", "", self.model, middlewares=[self.middleware])


@pytest.mark.parametrize("kind", [ev.ReplyStart, ev.ReplyEnd])
async def test_a_reply_begins_and_ends_once_though_the_worker_dies_while_a_middleware_is_at_it(
    bus: RedisMessageBus, say: Say, until: Until, kind: type[Any]
) -> None:
    await say("hi")
    middleware = Dawdling(kind)
    first = await run_of(bus, Surrounded(middleware, *text("one")))
    task = asyncio.create_task(first.carry_out())
    await middleware.at_it.wait()
    await first.writer.settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bus.leases.release(first.grant, "running")

    await (await run_of(bus, Actors(text("two")), "w2")).carry_out()

    events = await logged(bus)
    assert [message.text() for message in await transcript(bus)] == ["hi", "two"]
    assert folds(events) == (await transcript(bus))[1:]
    assert sum(isinstance(event, ev.ReplyStart) for event in events) == 1
    assert sum(isinstance(event, ev.ReplyEnd) for event in events) == 1
