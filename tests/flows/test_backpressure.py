"""More is asked for than workers have room for: users take turns, and when too much waits no more is taken."""

import sys
from pathlib import Path

from agentsvc.bus.queue import WINDOW
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Call, Calls
from tests.fakes.openai_server import OpenAIServer
from tests.fakes.tools import lines
from tests.flows.crowds import CROWD, answered, crowd, heard, keep_waiting
from tests.questions import asked, confirmed
from tests.service import Conversation, Service, User, message

LIMIT = CROWD + 10
PLACES = 2

ARGUMENTS = ("--max-runs", str(PLACES), "--max-queued", str(LIMIT))
PROGRAM = (sys.executable, "-m", "tests.flows.workshop")


async def test_sixty_sessions_of_one_user_do_not_hold_up_one_message_of_another(
    service: Service, ada: User, mallory: User, provider: OpenAIServer
) -> None:
    places = PLACES * service.workers
    keep_waiting(provider)
    talks = await crowd(ada, provider.url)
    await wait_until(lambda: provider.open == places, "all places are taken")

    other = await mallory.conversation(provider.url)
    await other.told("mallory")

    def reached() -> bool:
        if provider.open == places:  # whoever is claimed has come to the model
            provider.release()
        return "mallory" in heard(provider)

    await wait_until(reached, "the other user is answered", within=30)
    before = heard(provider).index("mallory")
    most = await answered(provider, [other, *talks])

    assert before < places + WINDOW + places
    assert most <= places
    assert sorted(heard(provider)) == ["ada"] * CROWD + ["mallory"]
    for talk in talks:
        assert [each.text() for each in await talk.messages()] == ["ada", "At last"]


async def test_a_full_queue_takes_no_messages_and_every_answer_and_stop(
    service: Service, ada: User, provider: OpenAIServer, trace: Path
) -> None:
    parked = await ada.conversation(provider.url)
    provider.script(Calls([Call("deploy", {"mark": "a"})]))
    async with parked.stream() as stream:
        await parked.told("go")
        question = await asked(stream, parked)
    keep_waiting(provider)
    running = await crowd(ada, provider.url, PLACES * service.workers)
    await wait_until(lambda: provider.open == PLACES * service.workers, "all places are taken")

    talk = await ada.conversation(provider.url)
    kept = await fill(talk)
    refused = await talk.say(message("too much", id="late"), **{"idempotency-key": "late"})
    unchanged = [each.id for each in await talk.messages(limit=200)]
    await parked.told(confirmed(question))
    stop = await running[0].interrupt()
    await answered(provider, [parked, talk, *running])
    accepted = await talk.say(message("too much", id="late"), **{"idempotency-key": "late"})
    await answered(provider, [talk])
    said = [each.id for each in await talk.messages(limit=200) if each.role == "user"]

    assert LIMIT <= len(kept) <= LIMIT + service.workers
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0
    assert (refused.json()["code"], refused.json()["status"]) == ("overloaded", 429)
    assert unchanged == kept
    assert (stop.status_code, accepted.status_code) == (202, 200)
    assert said == [*kept, "late"]
    assert lines(trace) == ["deploy a"]
    assert [each.text() for each in await parked.messages()] == ["go", "At last"]


async def fill(talk: Conversation) -> list[str]:
    """Send messages until one is refused: the ids of those that were not."""
    for number in range(2 * LIMIT):
        if (await talk.say(message("more", id=f"m{number}"))).status_code == 429:
            return [f"m{before}" for before in range(number)]
    raise AssertionError("no message was refused")
