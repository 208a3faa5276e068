"""A session goes to another worker while it waits for somebody, or between two replies."""

import asyncio

from agentsvc.agent.agent import Agent
from agentsvc.agent.tool import ToolBase, tool
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


class Leaving:
    """A run that is told to leave in the middle of a step; ``calls`` are those of its tool."""

    run: Run

    def __init__(self) -> None:
        self.calls: list[str] = []

    def now(self) -> None:
        self.run.leave()

    def tool(self, *, leaves: bool) -> ToolBase:
        @tool(concurrent=False, always_allowed=True)
        async def once() -> str:
            """May not be repeated."""
            self.calls.append("once")
            if leaves:
                self.now()
                await asyncio.sleep(0)
            return "done"

        return once


async def test_a_run_that_leaves_ends_its_step_and_nothing_of_it_is_done_again(bus: RedisMessageBus, say: Say) -> None:
    leaving = Leaving()
    actors = Actors(call("once"), text("Done"), tools=[leaving.tool(leaves=True)])
    await say("go")
    leaving.run = await run_of(bus, actors)

    assert not await leaving.run.carry_out()

    assert len(actors.model.requests) == 1
    assert (await bus.heads.get(OWNER, SESSION)).status == "running"
    assert await (await run_of(bus, actors, "w2")).carry_out()
    assert [each.text() for each in await said(bus)] == ["go", "Done"]
    assert leaving.calls == ["once"]
    assert len(actors.model.requests) == 2


async def test_a_model_is_not_asked_again_for_the_answer_after_which_a_run_has_left(
    bus: RedisMessageBus, say: Say
) -> None:
    leaving = Leaving()
    actors = Actors([*call("once"), leaving.now], text("Done"), tools=[leaving.tool(leaves=False)])
    await say("go")
    leaving.run = await run_of(bus, actors)

    assert not await leaving.run.carry_out()

    assert leaving.calls == []
    assert await (await run_of(bus, actors, "w2")).carry_out()
    assert [each.text() for each in await said(bus)] == ["go", "Done"]
    assert leaving.calls == ["once"]
    assert len(actors.model.requests) == 2


async def test_a_run_that_leaves_with_its_last_step_ends(bus: RedisMessageBus, say: Say) -> None:
    leaving = Leaving()
    actors = Actors([leaving.now, *text("Done")])
    await say("go")
    leaving.run = await run_of(bus, actors)

    assert await leaving.run.carry_out()

    assert [each.text() for each in await said(bus)] == ["go", "Done"]
    assert (await bus.heads.get(OWNER, SESSION)).status == "idle"


async def test_a_question_that_was_to_be_asked_is_asked_by_the_next_worker(bus: RedisMessageBus, say: Say) -> None:
    leaving = Leaving()
    actors = Actors([*call("deploy"), leaving.now], text("Done"), tools=[deploy])
    await say("go")
    leaving.run = await run_of(bus, actors)

    assert not await leaving.run.carry_out()

    assert await (await run_of(bus, actors, "w2")).carry_out()
    assert (await bus.heads.get(OWNER, SESSION)).status == "awaiting_permission"
    await confirm(bus, (await said(bus))[-1])
    assert await (await run_of(bus, actors, "w2")).carry_out()
    assert [each.text() for each in await said(bus)] == ["go", "Done"]


async def test_what_waits_for_a_person_keeps_no_run_that_is_to_leave(bus: RedisMessageBus, say: Say) -> None:
    actors = Actors(call("deploy"), tools=[deploy])
    await say("go")
    assert await (await run_of(bus, actors)).carry_out()
    await say("wait")
    leaving = await run_of(bus, actors)
    leaving.leave()

    assert not await leaving.carry_out()

    assert await (await run_of(bus, actors, "w2")).carry_out()
    assert (await bus.heads.get(OWNER, SESSION)).status == "awaiting_permission"


async def test_what_waits_in_the_inbox_is_left_to_the_next_worker(bus: RedisMessageBus, say: Say) -> None:
    actors = Actors(text("Done"))
    await say("go")
    leaving = await run_of(bus, actors)
    leaving.leave()

    assert not await leaving.carry_out()

    assert actors.model.requests == []
    assert await (await run_of(bus, actors, "w2")).carry_out()
    assert [each.text() for each in await said(bus)] == ["go", "Done"]
