"""A session goes to another worker while it waits for somebody, or between two replies."""

import asyncio

from agentsvc.agent.agent import Agent
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Grant
from agentsvc.domain.messages import Msg
from agentsvc.domain.states import AgentState
from agentsvc.runs.run import Run
from agentsvc.storage.store import Bundle
from tests.fakes.models import call, text
from tests.runs.conftest import OWNER, SESSION, Actors, Say, run_of
from tests.runs.test_waiting import confirm, deploy


class Holding(Actors):
    """Comes to the place that is asked for, and not beyond it; ``told`` are the states of approvals that were told."""

    at: str

    def hold(self, at: str) -> None:
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "reached", asyncio.Event())
        object.__setattr__(self, "told", [])

    reached: asyncio.Event
    told: list[list[str]]

    async def tell_approvals(self, grant: Grant, state: AgentState) -> None:
        if self.at == "approvals":
            await self._stay()
        self.told.append([each.status for each in state.approvals])

    async def agent(self, grant: Grant, records: Bundle | None) -> Agent:
        if self.at == f"agent {len(self.model.requests)}":
            await self._stay()
        return await super().agent(grant, records)

    async def _stay(self) -> None:
        self.reached.set()
        await asyncio.Event().wait()


async def handed_over(actors: Holding, run: Run) -> None:
    task = asyncio.create_task(run.carry_out())
    async with asyncio.timeout(5):
        await actors.reached.wait()
        run.hand_over()
        assert not await task


async def said(bus: RedisMessageBus) -> list[Msg]:
    return (await bus.transcripts.page(SESSION, 200))[0]


async def test_a_question_whose_record_was_not_made_is_told_by_the_next_worker(bus: RedisMessageBus, say: Say) -> None:
    actors = Holding(call("deploy"), text("Done"), tools=[deploy])
    actors.hold("approvals")
    await say("go")
    await handed_over(actors, await run_of(bus, actors))
    actors.hold("nowhere")

    assert await (await run_of(bus, actors, "w2")).carry_out()

    assert actors.told == [["pending"]]
    assert (await bus.heads.get(OWNER, SESSION)).status == "awaiting_permission"
    await confirm(bus, (await said(bus))[-1])
    assert await (await run_of(bus, actors, "w2")).carry_out()
    assert [each.text() for each in await said(bus)] == ["go", "Done"]
    assert actors.told == [["pending"], ["approved"]]


async def test_what_waited_is_answered_by_the_next_worker(bus: RedisMessageBus, say: Say) -> None:
    actors = Holding(call("deploy"), text("Done"), text("1"), text("2"), tools=[deploy])
    actors.hold("agent 2")
    await say("go")
    await (await run_of(bus, actors)).carry_out()
    await say("one")
    await (await run_of(bus, actors)).carry_out()
    await confirm(bus, (await said(bus))[1])
    await handed_over(actors, await run_of(bus, actors))
    await say("two")
    actors.hold("nowhere")

    assert await (await run_of(bus, actors, "w2")).carry_out()

    heard = [each.text() for each in actors.model.requests[-1].messages]
    assert heard == ["Be brief.", "go", "Done", "one", "1", "two"]
    assert (await bus.heads.get(OWNER, SESSION)).status == "idle"
