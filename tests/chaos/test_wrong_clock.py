"""A worker whose clock is ten minutes off works as any other: what lasts, and when it was, is measured by Redis."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agentsvc.domain.events import Event, ReplyEnd, RequireUserConfirm
from tests.chaos.conftest import Inside, the_same, victim
from tests.conftest import Until
from tests.fakes.openai_scripts import Call, Calls, Hold, words
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.questions import ask, asked, confirmed
from tests.service import Conversation, Service, replies, user_of

pytestmark = pytest.mark.chaos

_OFF = 600


@pytest.fixture(params=[_OFF, -_OFF], ids=["ahead", "behind"])
async def wrong(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A service whose clock is off."""
    with victim(redis_url, tmp_path / "tools", environment={"VICTIM_CLOCK": str(request.param)}) as service:
        await service.ready(within=60)
        yield service


async def test_two_workers_take_turns_in_a_session_though_the_clock_of_one_is_off(
    redis_url: str, redis_inside: Inside, provider: OpenAIServer, tmp_path: Path, wrong: Service
) -> None:
    tools = tmp_path / "tools"
    async with user_of(wrong) as ada:
        talk = await ada.conversation(provider.url)
        await talk.told("[[text=One]]")
        await talk.idle()
        ask(provider, "a")
        async with talk.stream() as stream:
            await talk.told("go")
            question = await asked(stream, talk)
        with victim(redis_url, tools) as right:
            await right.ready(within=60)
            assert wrong.stop() == 0
            async with user_of(right) as there:
                talk = the_same(talk, there)
                await talk.told(confirmed(question))
                await talk.idle(within=20)
                await talk.told("[[text=Three]]")
                await talk.idle()
                said = await talk.messages()
                events = await logged(talk, 3)

    assert [each.text() for each in said] == [
        "[[text=One]]",
        "One",
        "go",
        "Let me see. \nAll done",
        "[[text=Three]]",
        "Three",
    ]
    assert replies(events) == [each for each in said if each.role == "assistant"]
    assert all(near(event.created_at) for event in events if isinstance(event, ReplyEnd))
    assert lines(tools) == ["deploy a"]
    assert redis_inside.at_rest()


async def test_a_worker_that_dies_is_replaced_in_time_though_its_clock_was_off(
    redis_url: str, provider: OpenAIServer, tmp_path: Path, wrong: Service, until: Until
) -> None:
    provider.script(*words("So far "), Hold(), Calls([Call("once", {"mark": "a"})]))
    provider.default = words("Done")
    with victim(redis_url, tmp_path / "tools") as right:
        async with user_of(wrong) as ada:
            talk = await ada.conversation(provider.url)
            await talk.told("hi")
            await until(lambda: provider.open, "the agent is at work")
            wrong.kill()
        await right.ready(within=60)
        async with user_of(right) as there:
            talk = the_same(talk, there)
            await talk.idle(within=20)
            _, reply = await talk.messages()

    assert (reply.text(), reply.finished_reason) == ("Done", "completed")


async def test_a_question_expires_in_its_time_though_the_clock_of_its_worker_is_off(
    provider: OpenAIServer, wrong: Service
) -> None:
    async with user_of(wrong) as ada:
        agent = await ada.agent(approval_config={"expires_after": 1.5})
        talk = await ada.session(agent, await ada.credential(provider.url))
        ask(provider, "a")
        async with talk.stream() as stream:
            await talk.told("go")
            question = await stream.until(RequireUserConfirm)
            end = await stream.until(ReplyEnd, within=20)

    passed = datetime.fromisoformat(end.created_at) - datetime.fromisoformat(question.created_at)
    assert passed >= timedelta(seconds=1.5)
    assert near(question.created_at)


async def logged(talk: Conversation, ends: int) -> list[Event]:
    """All events of a session that has had so many replies."""
    async with talk.stream(after=0) as stream:
        for _ in range(ends):
            await stream.until(ReplyEnd)
    return stream.events[1:]


def near(at: str) -> bool:
    """Whether it is the time of a clock that is right."""
    return abs(datetime.fromisoformat(at) - datetime.now(UTC)) < timedelta(seconds=_OFF / 2)
