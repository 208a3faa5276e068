"""A tenant sees only its own: every operation of the document, with what is somebody else's, while that is at work."""

import re

import pytest

from agentsvc.domain.events import ReplyEnd, TextBlockDelta
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from tests.approvals import ask
from tests.contents import Contents, contents, passing
from tests.fakes.openai_scripts import Hold, Text, count
from tests.fakes.openai_server import OpenAIServer
from tests.flows.operations import Operation, operations
from tests.recorded_runs import record
from tests.service import ANEW, Conversation, Reader, Service, User

# Without a place for a foreign id, these can only answer with what is one's own.
_NAME_NOTHING = {"list_agents", "list_credentials", "create_agent", "create_credential"}
# A service of its own: nobody else may change anything while it is looked at.
ARGUMENTS = ()
# A write says here for a minute that it was carried out.
_RECEIPT = re.compile(rb"\{o:[^}]*\}:wrote:\w+")


async def ids_of(user: User, provider: OpenAIServer, redis_url: str) -> dict[str, str]:
    """One of everything."""
    credential = await user.credential(provider.url)
    talk = await user.session(await user.agent(), credential)
    parked = await user.session(talk.agent_id, credential)
    approval_id = await ask(redis_url, OwnerId(user.name), AgentId(parked.agent_id), SessionId(parked.session_id))
    return {
        "agent_id": talk.agent_id,
        "session_id": talk.session_id,
        "credential_id": credential,
        "approval_id": approval_id,
        "run_id": record(redis_url, parked.session_id),
    }


async def status_of(user: User, operation: Operation, ids: dict[str, str]) -> int:
    """The status. A stream is left at once."""
    headers = {"x-user-id": user.name, **ANEW}
    async with user.client.stream(**operation.request(ids), headers=headers) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            await answer.aread()
        return answer.status_code


def seen(url: str, moving: str) -> Contents:
    """What is in Redis, but for what workers and the victim's runs write by themselves."""
    by_itself = (f"{{s:{moving}}}".encode(), b"{w:")
    found = {key: value for key, value in contents(url).items() if not any(each in key for each in by_itself)}
    for value in found.values():
        if isinstance(value, dict):
            value.pop(b"deadline", None)
    return found


async def test_whoever_names_what_is_somebody_elses_is_told_that_it_is_not_there_and_changes_nothing(
    service: Service, ada: User, mallory: User, provider: OpenAIServer
) -> None:
    foreign, own = await ids_of(ada, provider, service.redis_url), await ids_of(mallory, provider, service.redis_url)
    held = Conversation(ada, foreign["agent_id"], foreign["session_id"])
    busy = await ada.session(foreign["agent_id"], foreign["credential_id"])
    provider.script(Text("Slowly "), Hold(), Text("but surely"))
    async with held.stream() as slow, busy.stream() as quick:
        await held.told("Take your time")
        await slow.until(TextBlockDelta)
        await busy.told("[[n=400 d=4 hold=1]]")
        await quick.until(TextBlockDelta)
        before = seen(service.redis_url, busy.session_id)

        told = {
            (operation.name, *sorted(set(mixture.values()) & set(foreign.values()))): await status_of(
                mallory, operation, mixture
            )
            for operation in await operations(mallory.client)
            for session_id in (held.session_id, busy.session_id)
            for mixture in operation.mixtures(own, {**foreign, "session_id": session_id})
            if operation.needs_user
        }

        after = seen(service.redis_url, busy.session_id)
        new = {key for key in after.keys() - before.keys() if not _RECEIPT.fullmatch(key)}
        assert {key: status for key, status in told.items() if status != 404} == {}
        assert new == set()
        assert before.keys() - after.keys() == passing(service.redis_url, before.keys() - after.keys())
        assert {key for key in before.keys() & after.keys() if before[key] != after[key]} == set()
        await until_text(quick, count(400))
        provider.release()
        ends = [await each.until(ReplyEnd) for each in (slow, quick)]

    assert len(told) > 40
    assert [end.finished_reason for end in ends] == ["completed", "completed"]
    for talk, stream, text in ((held, slow, "Slowly but surely"), (busy, quick, count(400))):
        await talk.idle()
        said, reply = await talk.messages()
        assert (said.role, reply.text(), reply.finished_reason) == ("user", text, "completed")
        assert [int(event.id) for event in stream.events] == list(range(1, len(stream.events) + 1))


async def test_the_same_requests_are_accepted_for_what_is_ones_own(
    service: Service, mallory: User, provider: OpenAIServer
) -> None:
    statuses = {
        operation.name: await status_of(mallory, operation, await ids_of(mallory, provider, service.redis_url))
        for operation in await operations(mallory.client)
    }

    assert {name: status for name, status in statuses.items() if not 200 <= status < 300} == {}


async def test_what_names_no_id_shows_nothing_of_others(
    service: Service, ada: User, mallory: User, provider: OpenAIServer
) -> None:
    foreign = await ids_of(ada, provider, service.redis_url)
    found = [each for each in await operations(mallory.client) if each.needs_user and not each.ids]

    answers = [await mallory.ask(each.method, each.path, each.body) for each in found]

    assert {each.name for each in found} == _NAME_NOTHING
    assert not any(foreign_id in answer.text for answer in answers for foreign_id in foreign.values())


async def test_places_in_somebody_elses_lists_lead_nowhere(
    service: Service, ada: User, mallory: User, provider: OpenAIServer
) -> None:
    foreign, own = await ids_of(ada, provider, service.redis_url), await ids_of(mallory, provider, service.redis_url)
    await ada.agent()
    cursor = (await ada.ask("GET", "/agent/", params={"limit": 1})).json()["next_cursor"]
    talk = Conversation(ada, foreign["agent_id"], foreign["session_id"])
    await talk.told("a secret")
    await talk.idle()
    message = (await talk.messages())[-1].id
    mine = Conversation(mallory, own["agent_id"], own["session_id"])

    listed = await mallory.ask("GET", "/agent/", params={"cursor": cursor})
    messages = await mine.messages(before=message)

    assert listed.status_code == 422
    assert messages == []


async def test_an_id_that_somebody_else_has_chosen_is_free_for_me(ada: User, mallory: User) -> None:
    data = {"type": "openai_credential", "id": "shared", "api_key": "sk-of-somebody"}

    made = [await user.ask("POST", "/credential/", {"data": {**data, "name": user.name}}) for user in (ada, mallory)]
    gone = await mallory.ask("DELETE", "/credential/shared")
    kept = await ada.ask("GET", "/credential/shared")

    assert [answer.status_code for answer in (*made, gone)] == [201, 201, 204]
    assert kept.json()["data"]["name"] == "ada"


async def test_a_message_id_that_somebody_else_has_used_is_a_message_of_ones_own(
    ada: User, mallory: User, provider: OpenAIServer
) -> None:
    talks = [await user.conversation(provider.url) for user in (ada, mallory)]
    for talk in talks:
        answer = await talk.say(
            {"name": "u", "role": "user", "id": "m1", "content": [], "metadata": {"of": talk.user.name}}
        )
        assert answer.status_code == 200
        await talk.idle()

    kept = [(await talk.messages())[0] for talk in talks]

    assert [message.id for message in kept] == ["m1", "m1"]
    assert [message.metadata["of"] for message in kept] == ["ada", "mallory"]


@pytest.mark.parametrize("headers", [[], [("x-user-id", "")], [("x-user-id", "ada"), ("x-user-id", "mallory")]])
async def test_nothing_that_needs_a_user_answers_without_one(
    service: Service, ada: User, provider: OpenAIServer, headers: list[tuple[str, str]]
) -> None:
    ids = await ids_of(ada, provider, service.redis_url)

    answers = {
        each.name: await ada.client.request(**each.request(ids), headers=headers)
        for each in await operations(ada.client)
        if each.needs_user
    }

    assert len(answers) > 15
    assert {answer.status_code for answer in answers.values()} == {401}


async def test_what_is_public_answers_without_a_user(ada: User) -> None:
    found = [each for each in await operations(ada.client) if not each.needs_user]

    answers = {each.name: await ada.client.request(**each.request({})) for each in found}

    assert len(answers) > 5
    assert {name: answer.text for name, answer in answers.items() if answer.status_code != 200} == {}
    assert all(each.method == "GET" and not each.ids for each in found)


async def until_text(stream: Reader, text: str) -> None:
    """Read on until all of the text has come."""
    while "".join(event.delta for event in stream.events if isinstance(event, TextBlockDelta)) != text:
        await stream.next()
