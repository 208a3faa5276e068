"""What is said while a reply waits for an answer."""

import asyncio

from agentsvc.agent.agent import Agent
from agentsvc.agent.tool import tool
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Grant
from agentsvc.domain.answers import stamped
from agentsvc.domain.events import ConfirmResult, UserConfirmResult
from agentsvc.domain.messages import Msg, ToolCallBlock
from agentsvc.storage.store import Bundle
from tests.fakes.models import call, text
from tests.runs.conftest import OWNER, SESSION, Actors, Say, request, run_of


@tool
async def deploy() -> str:
    """Deploys."""
    return "deployed"


async def confirm(bus: RedisMessageBus, reply: Msg) -> None:
    asked = [block for block in reply.content if isinstance(block, ToolCallBlock)]
    results = [ConfirmResult(confirmed=True, tool_call=each) for each in asked]
    answer = UserConfirmResult(reply_id=reply.id, confirm_results=results)
    await bus.inbox.accept(request(), stamped(answer, OWNER, "2026-11-24T09:30:00+00:00"))


async def test_what_was_said_before_the_answer_comes_before_what_was_said_after_it(
    bus: RedisMessageBus, say: Say
) -> None:
    scripts = [call("deploy"), text("Done"), text("1"), text("2")]
    actors = Actors(*scripts, tools=[deploy])
    await say("go")
    await (await run_of(bus, actors)).carry_out()
    await say("one")
    await (await run_of(bus, actors)).carry_out()
    (_, parked, _), _ = await bus.transcripts.page(SESSION, 200)
    await confirm(bus, parked)
    await say("two")

    await (await run_of(bus, actors)).carry_out()

    heard = [each.text() for each in actors.model.requests[-1].messages]
    assert heard == ["Be brief.", "go", "Done", "one", "1", "two"]


async def test_a_stop_also_means_what_was_said_and_is_about_to_be_answered(bus: RedisMessageBus, say: Say) -> None:
    class Stopped(Actors):
        async def agent(self, grant: Grant, records: Bundle | None) -> Agent:
            if len(self.model.requests) == 2:  # the first reply has ended, the next has not begun
                await bus.inbox.interrupt(request())
            return await super().agent(grant, records)

    actors = Stopped(call("deploy"), text("Done"), [*text("1"), asyncio.Event()], tools=[deploy])
    await say("go")
    await (await run_of(bus, actors)).carry_out()
    await say("one")
    await (await run_of(bus, actors)).carry_out()
    (_, parked, _), _ = await bus.transcripts.page(SESSION, 200)
    await confirm(bus, parked)

    async with asyncio.timeout(5):
        await (await run_of(bus, actors)).carry_out()

    said, _ = await bus.transcripts.page(SESSION, 200)
    assert [each.finished_reason for each in said if each.role == "assistant"] == ["completed", "interrupted"]
    assert (await bus.heads.get(OWNER, SESSION)).reply_seq == 0
