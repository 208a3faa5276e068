"""From the question to the record and back: what a run asks is answered from the list of approvals, or by time."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from agentsvc.agent.agent import Agent
from agentsvc.agent.tool import tool
from agentsvc.agent.toolkit import Toolkit
from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.leases import Grant
from agentsvc.domain.agents import AgentData, AgentRecord, ApprovalConfig
from agentsvc.domain.approvals import AnswerApproval, ApprovalRecord
from agentsvc.domain.errors import AlreadyAnswered
from agentsvc.domain.messages import Msg, ToolCallBlock, ToolResultBlock
from agentsvc.domain.runs import Messages
from agentsvc.domain.sessions import SessionConfig, SessionRecord
from agentsvc.domain.states import AgentState
from agentsvc.services.approvals import Approvals
from agentsvc.storage.store import Bundle, RedisStorage
from agentsvc.workers.expiry import Expiry
from tests.conftest import Until
from tests.fakes.models import Step, call, text
from tests.runs.conftest import AGENT, OWNER, SESSION, Actors, request
from tests.workers.conftest import working
from tests.workers.test_expiry import of


@tool
async def touch(path: str) -> str:
    """Make a file."""
    return f"made {path}"


class Asking(Actors):
    """Its agents ask before they touch anything, and its questions come into the records."""

    def __init__(self, approvals: Approvals, config: ApprovalConfig, *scripts: Sequence[Step]) -> None:
        super().__init__(*scripts)
        object.__setattr__(self, "service", approvals)
        object.__setattr__(self, "config", config)

    service: Approvals
    config: ApprovalConfig

    async def agent(self, grant: Grant, records: Bundle | None) -> Agent:
        return Agent("bob", "Be brief.", self.model, toolkit=Toolkit([touch]), approval_config=self.config)

    async def tell_approvals(self, grant: Grant, state: AgentState) -> None:
        blocks = [block for message in state.context for block in message.content]
        calls = {block.id: block for block in blocks if isinstance(block, ToolCallBlock)}
        await self.service.project(grant.owner, grant.agent_id, grant.session_id, state.approvals, calls)


@pytest.fixture
async def storage(redis_url: str) -> AsyncIterator[RedisStorage]:
    async with RedisStorage(redis_url) as opened:
        config = SessionConfig(name="a talk")
        await opened.of(OWNER).agents.create(AgentRecord(user_id=OWNER, id=AGENT, data=AgentData(id=AGENT, name="B")))
        await opened.of(OWNER).sessions.create(SessionRecord(user_id=OWNER, id=SESSION, agent_id=AGENT, config=config))
        yield opened


async def told(bus: RedisMessageBus, words: str) -> None:
    message = Msg.user(words)
    await bus.inbox.accept(request(), Messages([message]), [message])
    await bus.queue.push(request())


async def status(bus: RedisMessageBus) -> str:
    return (await bus.heads.get(OWNER, SESSION)).status


async def results(bus: RedisMessageBus) -> list[tuple[str, Any]]:
    messages, _ = await bus.transcripts.page(SESSION, 10)
    blocks = [block for message in messages for block in message.content]
    return [(block.state, block.output) for block in blocks if isinstance(block, ToolResultBlock)]


async def waiting(approvals: Approvals) -> list[ApprovalRecord]:
    return (await approvals.page(OWNER, 10)).items


async def test_what_a_run_asks_is_answered_from_the_list(
    bus: RedisMessageBus, storage: RedisStorage, redis_url: str, until: Until
) -> None:
    approvals = of(storage, bus)
    async with working(redis_url, Asking(approvals, ApprovalConfig(), call("touch", '{"path":"a"}'), text("Done"))):
        await told(bus, "go")
        (asked,) = await until(lambda: waiting(approvals), "it asks")

        await approvals.answer(OWNER, asked.id, AnswerApproval(confirmed=True, input='{"path":"b"}'))

        async def answered() -> bool:
            return not (await approvals.get(OWNER, asked.id)).pending

        await until(answered, "the record says so")
        with pytest.raises(AlreadyAnswered, match="approved by 'ada'"):
            await approvals.answer(OWNER, asked.id, AnswerApproval(confirmed=False))

    assert asked.tool_call.input == '{"path":"a"}'
    assert [state for state, _ in await results(bus)] == ["success"]
    assert "made b" in str(await results(bus))
    assert await waiting(approvals) == []


async def test_what_nobody_answers_is_denied_when_its_time_is_up(
    bus: RedisMessageBus, storage: RedisStorage, redis_url: str, until: Until
) -> None:
    approvals, stop = of(storage, bus), asyncio.Event()
    config = ApprovalConfig(expires_after=0.2)
    async with working(redis_url, Asking(approvals, config, call("touch", '{"path":"a"}'), text("Well"))):
        loops = [asyncio.create_task(Expiry(bus, approvals).serve(stop)) for _ in range(2)]
        await told(bus, "go")

        async def expired() -> bool:
            page = await approvals.page(OWNER, 10, pending=False)
            return [each.status for each in page.items] == ["expired"] and await status(bus) == "idle"

        await until(expired, "the question has expired")
        stop.set()
        await asyncio.gather(*loops)

    assert [state for state, _ in await results(bus)] == ["denied"]
    assert (await approvals.page(OWNER, 10, pending=False)).items[0].answered_by == "expiry"
    assert await bus.expiring.due() == []


class Dying(Asking):
    """Never gets as far as the records."""

    def __init__(self, approvals: Approvals, config: ApprovalConfig, *scripts: Sequence[Step]) -> None:
        super().__init__(approvals, config, *scripts)
        object.__setattr__(self, "reached", asyncio.Event())

    reached: asyncio.Event

    async def tell_approvals(self, grant: Grant, state: AgentState) -> None:
        self.reached.set()
        await asyncio.Event().wait()


async def test_who_takes_over_tells_what_its_predecessor_could_not(
    bus: RedisMessageBus, storage: RedisStorage, redis_url: str, until: Until
) -> None:
    approvals = of(storage, bus)
    dying = Dying(approvals, ApprovalConfig(), call("touch", '{"path":"a"}'))
    async with working(redis_url, dying) as (first,):
        await told(bus, "go")
        await asyncio.wait_for(dying.reached.wait(), 5)
        before = await waiting(approvals)
        await first.crash()

    async with working(redis_url, Asking(approvals, ApprovalConfig(), text("Done"))):
        (asked,) = await until(lambda: waiting(approvals), "it is told")
        await approvals.answer(OWNER, asked.id, AnswerApproval(confirmed=True))

        async def ended() -> bool:
            return bool(await results(bus)) and await status(bus) == "idle"

        await until(ended, "the reply has ended")

    assert before == []
    assert [state for state, _ in await results(bus)] == ["success"]
