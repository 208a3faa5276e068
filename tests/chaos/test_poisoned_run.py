"""P5: a run that kills every worker that takes it ends after the third, and says so; nothing else comes to harm."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from agentsvc.domain.events import REPLY_RESUMED, Custom, ReplyEnd
from agentsvc.domain.messages import ToolResultBlock
from tests.chaos.conftest import Inside, the_same, victim
from tests.conftest import Until
from tests.fakes.openai_scripts import Call, Calls, Hold, words
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.service import replies, user_of

pytestmark = pytest.mark.chaos

_ATTEMPTS = 3


async def test_a_run_that_kills_its_workers_is_given_up_and_the_others_go_on(
    redis_url: str, redis_inside: Inside, provider: OpenAIServer, tmp_path: Path, until: Until
) -> None:
    tools = tmp_path / "tools"
    with ExitStack() as stack:
        services = [stack.enter_context(victim(redis_url, tools)) for _ in range(_ATTEMPTS + 1)]
        for service in services:
            await service.ready(within=60)
        async with user_of(services[0]) as ada:
            bad, good = [await ada.conversation(provider.url) for _ in range(2)]
            provider.script(*words("So far "), Hold())
            await good.told("hi")
            await until(lambda: provider.open, "another run is at work")
            provider.script(*words("Let me see. "), Calls([Call("poison", {"mark": "a"})]))
            run_id = await bad.told("go")
            await until(lambda: len(dead(tools)) == _ATTEMPTS, "three workers have died", within=60)

        provider.release()
        survivor = next(service for service in services if service.process.poll() is None)
        await survivor.ready(within=60)
        async with user_of(survivor) as ada:
            bad, good = the_same(bad, ada), the_same(good, ada)
            await bad.idle(within=30)
            await good.idle(within=30)
            _, reply = await bad.messages()
            async with bad.stream(after=0) as stream:
                await stream.until(ReplyEnd)
            run = (await ada.ask("GET", f"/runs/{run_id}")).json()
            await bad.told("[[text=Again]]")
            await bad.idle()
            again = (await bad.messages())[-1]
            others = await good.messages()

    resumed = [each for each in stream.events if isinstance(each, Custom) and each.name == REPLY_RESUMED]
    assert (reply.finished_reason, reply.text()) == ("error", "Let me see. ")
    assert reply.error is not None
    assert reply.error.message == f"The reply failed {_ATTEMPTS} times and was given up."
    assert [block.state for block in reply.content if isinstance(block, ToolResultBlock)] == ["interrupted"]
    assert replies(stream.events[1:]) == [reply]
    assert len(resumed) == _ATTEMPTS
    assert (run["status"], run["attempts"], run["error"]["message"]) == ("error", _ATTEMPTS + 1, reply.error.message)
    assert (again.text(), again.finished_reason) == ("Again", "completed")
    assert [each.finished_reason for each in others] == [None, "completed"]
    await until(redis_inside.at_rest, "nothing waits")


def dead(tools: Path) -> set[str]:
    """The processes that the tool has killed."""
    return {line.split()[-1] for line in lines(tools)}
