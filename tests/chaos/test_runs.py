"""A run keeps its id when its worker goes, and says how many have taken it up."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agentsvc.domain.events import TextBlockDelta
from tests.chaos.conftest import LEASE_S, the_same
from tests.conftest import Until
from tests.fakes.openai_scripts import Hold, Text, words
from tests.fakes.openai_server import OpenAIServer
from tests.service import Service, User, serving, user_of

pytestmark = pytest.mark.chaos


def told_to_stop(service: Service) -> None:
    service.stop()


def killed(service: Service) -> None:
    service.kill()


async def run_of(user: User, run_id: str) -> Any:
    answer = await user.ask("GET", f"/runs/{run_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("leave", [told_to_stop, killed])
async def test_the_run_of_a_worker_that_goes_is_taken_up_by_another_one(
    redis_url: str, provider: OpenAIServer, until: Until, leave: Callable[[Service], None]
) -> None:
    arguments = ("--lease-s", str(LEASE_S), "--drain-s", "1")
    provider.script(Text("So far "), Hold())
    provider.script(*words("and to the end"))
    with serving(redis_url, *arguments) as leaving:
        await leaving.ready(within=60)
        async with user_of(leaving) as ada:
            talk = await ada.conversation(provider.url)
            async with talk.stream() as stream:
                run_id = await talk.told("hi")
                await stream.until(TextBlockDelta)
            before = await run_of(ada, run_id)

            with serving(redis_url, *arguments) as staying:
                await staying.ready(within=60)
                async with user_of(staying) as elsewhere:
                    await asyncio.to_thread(leave, leaving)
                    await the_same(talk, elsewhere).idle(within=30)
                    after = await run_of(elsewhere, run_id)
                    listed = (await elsewhere.ask("GET", f"/sessions/{talk.session_id}/runs")).json()["runs"]
                    reply = (await the_same(talk, elsewhere).messages())[-1]

    assert (before["status"], before["attempts"]) == ("running", 1)
    assert (after["status"], after["attempts"]) == ("completed", 2)
    assert after["worker"] not in (before["worker"], None)
    assert (after["created_at"], after["started_at"]) == (before["created_at"], before["started_at"])
    assert (after["reply_id"], reply.finished_reason) == (reply.id, "completed")
    assert listed == [after]


async def test_the_time_of_a_run_goes_on_while_nobody_has_it(
    redis_url: str, provider: OpenAIServer, until: Until
) -> None:
    arguments = ("--lease-s", str(LEASE_S))
    provider.script(Text("So far "), Hold())
    with serving(redis_url, *arguments) as leaving:
        await leaving.ready(within=60)
        async with user_of(leaving) as ada:
            agent = await ada.agent(run_config={"time_limit": 60})
            talk = await ada.session(agent, await ada.credential(provider.url))
            async with talk.stream() as stream:
                run_id = await talk.told("hi")
                await stream.until(TextBlockDelta)
            changed = await ada.ask("PATCH", f"/agent/{agent}", {"run_config": {"time_limit": 2}})
            assert changed.status_code == 200
            started = datetime.fromisoformat((await run_of(ada, run_id))["started_at"])
        leaving.kill()
    await until(lambda: datetime.now(UTC) - started > timedelta(seconds=2), "the time is up")

    with serving(redis_url, *arguments) as staying:
        await staying.ready(within=60)
        async with user_of(staying) as ada:
            await the_same(talk, ada).idle(within=30)
            run = await run_of(ada, run_id)
            reply = (await the_same(talk, ada).messages())[-1]

    assert (run["status"], run["attempts"], run["error"]["type"]) == ("exceeded", 2, "time_limit")
    assert (reply.finished_reason, reply.id) == ("error", run["reply_id"])
    assert len(provider.requests) == 1
