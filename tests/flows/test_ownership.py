"""Somebody else sees nothing, changes nothing and leaves nothing behind, also while the owner's agent is at work."""

from typing import Any

import pytest
import redis

from agentsvc.domain.events import TextBlockDelta
from tests.fakes.openai_scripts import Hold
from tests.fakes.openai_server import OpenAIServer, words
from tests.flows.readers import is_dense
from tests.flows.traces import traces
from tests.service import ANEW, Conversation, User, message


@pytest.mark.parametrize("headers", [{}, {"x-user-id": ""}], ids=["no user", "an empty user"])
async def test_without_a_user_no_route_of_an_owner_answers(ada: User, headers: dict[str, str]) -> None:
    document = (await ada.client.get("/schema/openapi.json")).json()
    routes = [
        (method.upper(), path.replace("{", "").replace("}", ""))
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if operation.get("security")
    ]

    answers = [
        await ada.client.request(method, path, headers=headers, params={"agent_id": "x"}, json={})
        for method, path in routes
    ]

    assert len(routes) > 15
    assert {answer.status_code for answer in answers} == {401}


async def test_what_is_somebody_elses_is_not_found(ada: User, mallory: User, provider: OpenAIServer) -> None:
    credential = await ada.credential(provider.url)
    talk = await ada.session(await ada.agent(), credential)
    changes: dict[str, Any] = {
        f"/agent/{talk.agent_id}": {"name": "Mine"},
        f"/credential/{credential}": {"data": {"type": "openai_credential", "api_key": "sk-mine"}},
        talk.path(): {"name": "Mine"},
    }
    before = [(await ada.ask("GET", path)).json() for path in changes]

    answers = [
        await mallory.ask(method, path, body)
        for path, change in changes.items()
        for method, body in (("GET", None), ("PATCH", change), ("DELETE", None))
    ]

    assert [answer.status_code for answer in answers] == [404] * 9
    assert [(await ada.ask("GET", path)).json() for path in changes] == before
    assert (await mallory.ask("GET", "/sessions/", params={"agent_id": talk.agent_id})).status_code == 404


async def test_a_stranger_leaves_no_trace_while_the_agent_is_at_work(
    ada: User, mallory: User, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk = await ada.conversation(provider.url)
    own = await mallory.agent()
    provider.script(*words("Only for "), Hold(), *words("Ada's eyes"))
    async with talk.stream() as stream:
        await talk.told("hi")
        while (await stream.until(TextBlockDelta)).delta[-4:] != "for ":
            pass
        before = traces(database)

        answers = [
            await mallory.ask(method, path, body, headers=ANEW)
            for agent_id in (talk.agent_id, own)
            for method, path, body in attempts_on(talk, agent_id)
        ]

        assert {answer.status_code for answer in answers} == {404}
        assert traces(database) == before
        assert await talk.status() == "running"
        provider.release()
        reply = await stream.reply()

    await talk.idle()
    said, stored = await talk.messages()
    assert said.text() == "hi"
    assert reply == stored
    assert reply.text() == "Only for Ada's eyes"
    assert is_dense(stream.events)
    assert len(provider.requests) == 1


async def test_a_session_is_not_found_with_another_agent(
    ada: User, provider: OpenAIServer, database: redis.Redis
) -> None:
    talk = await ada.conversation(provider.url)
    other = await ada.agent(name="Eve")
    before = traces(database)

    answers = [await ada.ask(method, path, body, headers=ANEW) for method, path, body in attempts_on(talk, other)]

    assert {answer.status_code for answer in answers} == {404}
    assert traces(database) == before
    assert provider.requests == []


def attempts_on(talk: Conversation, agent_id: str) -> list[tuple[str, str, Any]]:
    """Everything that can be asked of a session, with this agent."""
    at = Conversation(talk.user, agent_id, talk.session_id)
    return [
        ("POST", "/chat/", {"agent_id": agent_id, "session_id": talk.session_id, "input": message("Let me in")}),
        ("POST", "/chat/", {"agent_id": agent_id, "session_id": talk.session_id, "input": None}),
        ("POST", at.path("/interrupt"), None),
        ("GET", at.path("/status"), None),
        ("GET", at.path("/messages"), None),
        ("GET", at.path("/stream"), None),
        ("GET", at.path("/stream") + "&after=0", None),
        ("GET", at.path(), None),
        ("PATCH", at.path(), {"name": "Mine"}),
        ("DELETE", at.path(), None),
    ]
