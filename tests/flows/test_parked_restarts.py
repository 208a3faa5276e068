"""A reply that waits for a person outlives the service: kill -9, and another one on the same Redis."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from agentsvc.domain.events import RequireUserConfirm
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Call, Calls
from tests.fakes.openai_server import OpenAIServer, words
from tests.fakes.tools import lines
from tests.flows.conftest import WORKER_IDS, WORKERS
from tests.flows.readers import is_dense
from tests.flows.rooms import bash, script, shell
from tests.flows.workshop import TRACE
from tests.questions import ASKING, WANTING, approvals, asked, confirmed, delivered, parked, results, rule, wanted
from tests.redis_kinds.chosen import chosen
from tests.service import ANEW, Conversation, Service, User, message, replies, serving, user_of
from tests.workspaces.commands import running

pytestmark = pytest.mark.redis

PROGRAM = (sys.executable, "-m", "tests.flows.workshop")

Start = Callable[[], AbstractAsyncContextManager[tuple[Service, User]]]


@pytest.fixture(scope="module")
def own_redis() -> Iterator[str]:
    with chosen() as kind:
        yield kind.url


@pytest.fixture(params=WORKERS, ids=WORKER_IDS)
def start(request: pytest.FixtureRequest, own_redis: str, tmp_path: Path) -> Start:
    """Starts the service anew, in the same directory."""

    @asynccontextmanager
    async def started() -> AsyncGenerator[tuple[Service, User]]:
        arguments = ("--lease-s", "1", "--workspaces", "local", "--data-dir", str(tmp_path))
        with serving(own_redis, *arguments, workers=request.param, program=PROGRAM) as service:
            await service.ready(60)
            async with user_of(service) as user:
                yield service, user

    return started


def at(user: User, talk: Conversation) -> Conversation:
    return Conversation(user, talk.agent_id, talk.session_id)


async def test_what_is_asked_and_said_is_there_after_a_restart(
    start: Start, provider: OpenAIServer, tmp_path: Path
) -> None:
    script(provider, Call("deploy", {"mark": "a"}), Call("camera", {"mark": "cat"}))
    async with start() as (service, ada):
        talk = await ada.conversation(provider.url)
        async with talk.stream() as stream:
            await talk.told("go")
            question = await asked(stream, talk)
        await talk.told(message("one", id="m1"))
        await talk.told(message("[[text=Heard]]", id="m2"))
        service.kill()

    async with start() as (service, ada):
        talk = at(ada, talk)
        await parked(talk)
        listed = (await ada.ask("GET", "/sessions/", params={"agent_id": talk.agent_id})).json()["sessions"][0]
        async with talk.stream() as stream:
            again = await stream.until(RequireUserConfirm)
            await talk.told(confirmed(again))
            handed = await wanted(stream, talk)
        service.kill()

    async with start() as (_, ada):
        talk = at(ada, talk)
        await parked(talk, WANTING)
        async with talk.stream(after=0) as stream:
            await talk.told(delivered(handed))
            reply, heard = await stream.reply(), await stream.reply()
        await talk.idle()
        said = await talk.messages()
        records = await approvals(talk)

    assert (again, listed["status"]) == (question, ASKING)
    assert (reply.id, reply.text(), heard.text()) == (question.reply_id, "All done", "Heard")
    assert [each.text() for each in said] == ["go", "All done", "one", "[[text=Heard]]", "Heard"]
    assert replies(stream.events) == [reply, heard] == [each for each in said if each.role == "assistant"]
    assert is_dense(stream.events[1:])
    assert {each["status"] for each in records} == {"approved", "executed"}
    assert lines(tmp_path / TRACE) == ["deploy a"]


async def test_what_is_always_allowed_is_known_though_the_service_dies_right_after_the_answer(
    start: Start, provider: OpenAIServer, tmp_path: Path
) -> None:
    script(provider, Call("deploy", {"mark": "a"}))
    async with start() as (service, ada):
        talk = await ada.conversation(provider.url)
        async with talk.stream() as stream:
            await talk.told("go")
            question = await asked(stream, talk)
        await talk.told(confirmed(question, rules=[rule()]))
        service.kill()

    async with start() as (_, ada):
        talk = at(ada, talk)
        await talk.idle(within=30)
        reply = (await talk.messages())[-1]
        provider.reset()
        script(provider, Call("deploy", {"mark": "b"}))
        await talk.told("and again")
        await talk.idle()
        second = (await talk.messages())[-1]
        records = await approvals(talk)

    (first,) = results(reply)
    made = lines(tmp_path / TRACE)
    assert (reply.id, reply.finished_reason) == (question.reply_id, "completed")
    assert made.count("deploy a") in {"success": (1,), "interrupted": (0, 1)}[first.state]
    assert [each.state for each in results(second)] == ["success"]
    assert made.count("deploy b") == 1
    assert [each["status"] for each in records] == ["approved"]


@shell
async def test_nothing_of_a_command_is_left_when_its_service_is_killed(
    start: Start, provider: OpenAIServer, tmp_path: Path
) -> None:
    mark = f"86402.{tmp_path.stat().st_ino:012d}"
    provider.script(Calls([bash(f"sleep {mark} & setsid sleep {mark} & wait")]))
    provider.script(*words("Nobody knows"))
    async with start() as (service, ada):
        agent, credential = await ada.agent(), await ada.credential(provider.url)
        talk = await ada.session(agent, credential, permission_mode="bypass")
        await talk.told("go")
        await wait_until(lambda: running(f"sleep\0{mark}"), "it runs")
        service.kill()
        await wait_until(lambda: not running(mark), "nothing of it is left", within=2)

    async with start() as (_, ada):
        talk = at(ada, talk)
        await talk.idle(within=30)
        reply = (await talk.messages())[-1]

    assert [each.state for each in results(reply)] == ["interrupted"]
    assert reply.text() == "Nobody knows"
    assert running(mark) == []


@shell
async def test_a_service_that_is_told_to_end_ends_its_commands_and_the_next_one_goes_on(
    start: Start, provider: OpenAIServer, tmp_path: Path
) -> None:
    mark = f"86403.{tmp_path.stat().st_ino:012d}"
    provider.script(Calls([bash(f"trap '' TERM; sleep {mark} & setsid sleep {mark} & wait; sleep {mark}")]))
    provider.script(*words("Nobody knows"))
    async with start() as (service, ada):
        agent, credential = await ada.agent(), await ada.credential(provider.url)
        talk = await ada.session(agent, credential, permission_mode="bypass")
        await talk.told("go")
        await wait_until(lambda: running(f"sleep\0{mark}"), "it runs")
        code = await asyncio.to_thread(service.stop, 20)
        left = running(mark)

    async with start() as (_, ada):
        talk = at(ada, talk)
        await talk.idle(within=30)
        _, reply = await talk.messages()

    assert (code, left) == (0, [])
    assert [each.state for each in results(reply)] == ["interrupted"]
    assert (reply.text(), reply.finished_reason) == ("Nobody knows", "completed")


async def test_a_question_expires_though_nobody_served_when_its_time_came(start: Start, provider: OpenAIServer) -> None:
    script(provider, Call("deploy", {"mark": "a"}))
    async with start() as (service, ada):
        agent = await ada.agent(approval_config={"expires_after": 1.5})
        talk = await ada.session(agent, await ada.credential(provider.url))
        async with talk.stream() as stream:
            await talk.told("go")
            question = await asked(stream, talk)
        service.kill()

    async with start() as (_, ada):
        talk = at(ada, talk)
        await talk.idle(within=30)
        reply = (await talk.messages())[-1]
        answers = await asyncio.gather(*(talk.say(confirmed(question), **ANEW) for _ in range(3)))
        (record,) = await approvals(talk)

    assert [each.state for each in results(reply)] == ["denied"]
    assert {answer.status_code for answer in answers} == {200}
    assert (record["status"], record["answered_by"]) == ("expired", "expiry")
