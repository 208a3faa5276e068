"""Bodies that only somebody sends who wants to break it, and those that are only large."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from agentsvc.domain.events import ReplyEnd
from tests.fakes.openai_server import OpenAIServer, words
from tests.flows.operations import operations
from tests.service import User, message

DEEP = 20_000
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "half of it": b'{"name": "Bob"',
    "arrays without end": b"[" * DEEP,
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep in a field": b'{"data": {"type": ' + b"[" * DEEP + b"]" * DEEP + b"}}",
    "deep in an input": b'{"agent_id": "a", "session_id": "s", "input": '
    + b'[{"a":' * DEEP
    + b"1"
    + b"}]" * DEEP
    + b"}",
    "half a character": b'{"name": "\\ud800"}',
    "the other half": b'{"name": "\\udfff\\ud800"}',
    "half a character as bytes": b'{"name": "\xed\xa0\x80"}',
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "UTF-16": '{"name": "Bob"}'.encode("utf-16"),
    "no number": b'{"name": NaN}',
    "infinity": b'{"react_config": {"max_iters": 1e999}}',
    "a long number": b'{"name": ' + b"9" * 10_000 + b"}",
    "a control character": b'{"name": "\x00"}',
    "two values": b'{"name": "Bob"} {"name": "Eve"}',
    "a list": b"[]",
    "null": b"null",
    "a form": b"name=Bob&data=1",
}


def is_problem(answer: httpx.Response) -> bool:
    return (
        answer.headers["content-type"] == "application/problem+json" and answer.json()["status"] == answer.status_code
    )


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("kind", ["application/json", "text/plain", None])
async def test_a_body_that_makes_no_sense_is_refused(mallory: User, body: bytes, kind: str | None) -> None:
    headers = {"x-user-id": "mallory", **({} if kind is None else {"content-type": kind})}

    answers = {
        each.name: await mallory.client.request(
            each.method, each.path, params={"agent_id": "a"}, content=body, headers=headers
        )
        for each in await operations(mallory.client)
        if each.body is not None
    }

    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code not in {400, 422}} == {}
    assert all(map(is_problem, answers.values()))
    assert all(len(answer.content) < 100_000 for answer in answers.values())


def _many(**fields: Any) -> dict[str, Any]:
    return {f"unknown{number}": number for number in range(100_000)} | fields


def _chat(given: Any) -> dict[str, Any]:
    return {"agent_id": "a", "session_id": "s", "input": given}


LENGTHY: dict[str, tuple[str, Any]] = {
    "fields that nobody knows": ("/agent/", _many(name="Bob")),
    "a field with a long name": ("/agent/", {"name": "Bob", "x" * 5_000_000: 1}),
    "parts of a credential that nobody knows": ("/credential/", {"data": _many(type="openai_credential")}),
    "a part of a credential with a long name": (
        "/credential/",
        {"data": {"type": "demo_credential", "x" * 5_000_000: 1}},
    ),
    "a credential of a long type": ("/credential/", {"data": {"type": "x" * 5_000_000}}),
    "bad blocks": ("/chat/", _chat({"name": "u", "role": "user", "content": [{"type": "text"}] * 100_000})),
    "blocks that may not be sent": (
        "/chat/",
        _chat(message("x") | {"content": [{"type": "hint", "hint": "x"}] * 50_000}),
    ),
    "bad messages": ("/chat/", _chat([{}] * 100_000)),
    "more messages than can be": ("/chat/", _chat([message("x", id=f"m{number}") for number in range(60_000)])),
    "the same message over and over": ("/chat/", _chat([message("x", id="m")] * 60_000)),
}


@pytest.mark.parametrize(("path", "body"), LENGTHY.values(), ids=LENGTHY)
async def test_what_is_wrong_many_times_is_told_in_few_words(mallory: User, path: str, body: Any) -> None:
    answer = await mallory.ask("POST", path, body)

    assert answer.status_code == 422
    assert is_problem(answer)
    assert len(answer.content) < 100_000


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
async def test_a_body_that_is_too_large_is_refused(mallory: User, chunked: bool) -> None:
    whole = b'{"name": "' + b"x" * 11 * 1024 * 1024 + b'"}'

    async def parts() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), 65536):
            yield whole[at : at + 65536]

    for each in await operations(mallory.client):
        if each.body is not None:
            answer = await mallory.client.request(
                each.method,
                each.path,
                params={"agent_id": "a"},
                content=parts() if chunked else whole,
                headers={"x-user-id": "mallory", "content-type": "application/json"},
            )
            assert answer.status_code == 413, each.name
            assert is_problem(answer)


async def test_a_thousand_messages_at_once_are_answered_together(mallory: User, provider: OpenAIServer) -> None:
    talk = await mallory.conversation(provider.url)

    async with talk.stream() as stream:
        await talk.told([message(f"message {number}") for number in range(1000)])
        await stream.until(ReplyEnd)

    assert len(provider.requests) == 1
    assert "message 0" in str(provider.requests[0].body)
    assert "message 999" in str(provider.requests[0].body)


async def test_a_message_of_a_thousand_blocks_is_answered(mallory: User, provider: OpenAIServer) -> None:
    talk = await mallory.conversation(provider.url)
    provider.script(*words("So many"))
    blocks: list[Any] = [{"type": "text", "text": f"block {number}"} for number in range(1000)]

    async with talk.stream() as stream:
        await talk.told({"name": "user", "role": "user", "content": blocks})
        end = await stream.until(ReplyEnd)

    said, reply = await talk.messages()
    assert end.finished_reason == "completed"
    assert len(said.content) == 1000
    assert reply.text() == "So many"
    assert "block 999" in str(provider.requests[-1].body)
