"""Secrets go in and never come out: made-up ones, sent everywhere and looked for everywhere."""

import asyncio
import base64
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from agentsvc.domain.events import ReplyEnd, encode_event
from tests.conftest import Until
from tests.contents import contents, pieces
from tests.fakes.openai_scripts import Chunk, Cut, Fail, Raw, Step
from tests.fakes.openai_server import OpenAIServer, words
from tests.flows.canaries import CANARY, NEW_KEY, PASSWORD, command_lines, leaks, told
from tests.redis_kinds.chosen import chosen
from tests.service import KEY, Conversation, Service, serving, user_of
from tests.test_serve import serving as embedded


@pytest.fixture(params=["plain", "json"], ids=["plain log", "log of JSON"])
def url(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """A Redis, and the format of the log."""
    with chosen() as kind:
        yield kind.url, request.param


def wordy(url: tuple[str, str], **more: Any) -> Any:
    """A service that says all that it can say."""
    redis_url, form = url
    return serving(redis_url, "--log-level", "debug", "--log-format", form, **more)


def test_what_is_looked_for_would_be_found() -> None:
    for text in (CANARY, f"xy{CANARY}z", f"{{'key': {CANARY!r}}}", base64.b64encode(f"ab{CANARY}".encode()).decode()):
        assert told(text), text
    assert not told("sk-test **********")


async def test_no_answer_repeats_a_secret(url: tuple[str, str]) -> None:
    data = {"type": "openai_credential", "api_key": CANARY}
    broken: list[Any] = [
        {"data": {**data, "type": "nobody"}},
        {"data": {"apikey": CANARY, "type": "openai_credential"}},
        {"data": {**data, "api_key": [CANARY]}},
        {"data": {**data, "api_key": f"{CANARY} and more"}},
        {"data": {**data, "api_key": CANARY + "x" * 4096}},
        {"data": {**data, "api_key": f"{CANARY}\n"}},
        {"data": {**data, "organization": {"a": CANARY}}},
        {"data": {**data, "base_url": f"https://user:{PASSWORD}@models.example"}},
        {"data": {**data, "base_url": f"https://{PASSWORD}@models.example/v1"}},
        {"data": {**data, "base_url": f"ftp://user:{PASSWORD}@models.example"}},
        {"data": {**data, "id": f"/{CANARY}"}},
        {"data": CANARY},
        {"data": [CANARY]},
        {"api_key": CANARY},
        CANARY,
        [CANARY],
    ]
    with wordy(url) as service:
        await service.ready()
        async with user_of(service) as ada:
            made = await ada.made("/credential/", {"data": data})
            path = f"/credential/{made['credential_id']}"
            refused = [
                await ada.ask(*to, body) for body in broken for to in (("POST", "/credential/"), ("PATCH", path))
            ]
            cut = [
                await ada.client.request(*to, content=b'{"data": {"api_key": "%s"' % CANARY.encode(), headers=as_ada)
                for to in (("POST", "/credential/"), ("PATCH", path))
                for as_ada in ({"x-user-id": "ada"}, {"x-user-id": "ada", "content-type": "application/json"})
            ]
            accepted = [
                await ada.ask("PATCH", path, {"data": data}),
                await ada.ask("PATCH", path, {"data": {**data, "api_key": "**********", "name": "kept"}}),
                await ada.ask("POST", "/credential/", {"data": data}, headers={"idempotency-key": "once"}),
                await ada.ask("POST", "/credential/", {"data": data}, headers={"idempotency-key": "once"}),
                await ada.ask("GET", path),
                await ada.ask("GET", "/credential/"),
                await ada.ask("GET", "/credential/schemas"),
            ]

        found = leaks(service)

    answers = [*refused, *cut, *accepted]
    assert {answer.status_code for answer in cut} == {400}
    assert {answer.status_code for answer in accepted} <= {200, 201}
    assert [answer.text for answer in answers if told(answer.text) or told(str(answer.headers))] == []
    assert found == []
    # Space around a key is no harm, and the id of a credential that is there does not change.
    assert sorted(answer.status_code for answer in refused if answer.status_code != 422) == [200, 200, 201]


def as_json(text: str) -> bytes:
    return httpx.Response(200, json={"error": {"message": text, "type": "invalid_request_error"}}).content


ECHOES: dict[str, tuple[Step, ...]] = {
    "in the body of a 401": (Fail(401, f"Incorrect API key provided: {CANARY}."),),
    "in the body of a 400": (Fail(400, body=f"Authorization: Bearer {CANARY}".encode()),),
    "in a 404 that is a page": (Fail(404, body=f"<p>{CANARY}</p>".encode(), headers={"content-type": "text/html"}),),
    "in a 200 that is no stream": (Fail(200, body=as_json(f"who is {CANARY}")),),
    "escaped": (Fail(403, body=as_json(CANARY).replace(b"/", b"\\/")),),
    "in a redirect": (
        Fail(302, headers={"location": f"http://127.0.0.1:1/?key={quote(CANARY)}&{CANARY}"}, message=CANARY),
    ),
    "in a header": (Fail(403, headers={"x-error": CANARY, "www-authenticate": f"Bearer error={CANARY}"}),),
    "in an error inside the stream": (Chunk({"error": {"message": f"bad key {CANARY}", "code": CANARY}}), Cut()),
    "in a chunk that is no JSON": (Raw(b"data: {bad key %s\n\n" % CANARY.encode()), Cut()),
    "in a chunk of the wrong form": (Chunk({"choices": {"key": CANARY}}), Cut()),
    "in what is no event": (Raw(b"%s\n\n" % CANARY.encode()), Cut()),
}


async def end_of(talk: Conversation) -> tuple[ReplyEnd, list[str]]:
    """How the next reply ends, and all that the client could read of it."""
    async with talk.stream() as stream:
        await talk.told("hello")
        end = await stream.until(ReplyEnd)
    await talk.idle()
    shown = [
        await talk.user.ask("GET", path)
        for path in (talk.path(), talk.path("/messages"), f"/sessions/?agent_id={talk.agent_id}")
    ]
    return end, [*(encode_event(event).decode() for event in stream.events), *(answer.text for answer in shown)]


async def known(url: tuple[str, str], model_url: str) -> tuple[str, str]:
    """Agent and session of Ada, made by a process that is gone: no other has ever been told the secret."""
    with wordy(url) as service:
        await service.ready()
        async with user_of(service) as ada:
            talk = await ada.session(await ada.agent(), await ada.credential(model_url, CANARY))
    return talk.agent_id, talk.session_id


@asynccontextmanager
async def talking(
    url: tuple[str, str], ids: tuple[str, str], **more: Any
) -> AsyncGenerator[tuple[Service, Conversation]]:
    with wordy(url, **more) as service:
        await service.ready()
        async with user_of(service) as ada:
            yield service, Conversation(ada, *ids)


class Babbler:
    """What once was a provider: it says the key that it is sent, but no HTTP."""

    def __init__(self, server: asyncio.Server) -> None:
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        self.parts: tuple[bytes, ...] = ()


@asynccontextmanager
async def babbling() -> AsyncGenerator[Babbler]:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = re.search(rb"(?i)authorization: bearer (.*)\r", await reader.readuntil(b"\r\n\r\n"))
        assert said is not None
        for part in babbler.parts:
            writer.write(part.replace(b"%s", said[1]))
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
        babbler = Babbler(server)
        yield babbler


_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BABBLE: tuple[tuple[bytes, ...], ...] = (
    (b"%s\r\n\r\n",),
    (b"HTTP/1.1 %s\r\n\r\n",),
    (b"HTTP/1.1 200 OK\r\n%s\r\n\r\n",),
    (_HEAD + b"7\r\ndata: a\r\n", b"%s\r\n\r\n"),
)


async def test_nothing_that_a_provider_repeats_goes_further(url: tuple[str, str], provider: OpenAIServer) -> None:
    async with babbling() as babbler, talking(url, await known(url, provider.url)) as (service, talk):
        shown: dict[str, list[str]] = {}
        for place, steps in ECHOES.items():
            provider.script(*steps)
            end, shown[place] = await end_of(talk)
            assert end.finished_reason == "error", place
        provider.script(*words("All is well"))
        well, _ = await end_of(talk)
        other = await talk.user.session(talk.agent_id, await talk.user.credential(babbler.url, CANARY))
        for said in BABBLE:
            babbler.parts = said
            end, shown[str(said)] = await end_of(other)
            assert end.finished_reason == "error", said

        found = leaks(service)
        log = service.said()

    assert {request.headers["authorization"] for request in provider.requests} == {f"Bearer {CANARY}"}
    assert len(provider.requests) == len(ECHOES) + 1
    assert well.finished_reason == "completed"
    assert {place for place, texts in shown.items() if any(map(told, texts))} == set()
    assert found == []
    # What was looked through is what should have been.
    assert any(b"All is well" in piece for piece in pieces(contents(url[0])))
    assert "status 401" in log
    assert "not HTTP: Bad status line" in log


def rotate(redis_url: str, *keys: str) -> str:
    """What ``agentsvc rotate-keys`` says, and that it says no key."""
    command = [sys.executable, "-m", "agentsvc", "rotate-keys", "--redis-url", redis_url]
    variables = {**os.environ, "AGENTSVC_SECRET_KEYS": ",".join(keys)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert not any(key in done.stdout + done.stderr for key in keys)
    return done.stdout.strip()


@pytest.mark.parametrize("url", ["json"], indirect=True)
async def test_a_key_can_be_changed_and_the_old_one_thrown_away(url: tuple[str, str], provider: OpenAIServer) -> None:
    ids = await known(url, provider.url)
    async with talking(url, ids, environment={"AGENTSVC_SECRET_KEYS": NEW_KEY}) as (service, talk):
        before, shown = await end_of(talk)
        found = leaks(service)
    both, new = {"AGENTSVC_SECRET_KEYS": f"{NEW_KEY},{KEY}"}, {"AGENTSVC_SECRET_KEYS": NEW_KEY}
    async with talking(url, ids, environment=both) as (service, talk):
        said = [rotate(url[0], NEW_KEY, KEY), rotate(url[0], NEW_KEY)]
        during, _ = await end_of(talk)
        found += leaks(service)
    async with talking(url, ids, environment=new) as (service, talk):
        after, _ = await end_of(talk)
        found += leaks(service)

    assert said == [
        f"{rest}, 0 failed"
        for rest in ("1 sealed with the first key, 0 were already", "0 sealed with the first key, 1 were already")
    ]
    assert before.error is not None
    assert (before.finished_reason, before.error.type) == ("error", "setup")
    assert not any(map(told, shown))
    assert [during.finished_reason, after.finished_reason] == ["completed", "completed"]
    assert [request.headers["authorization"] for request in provider.requests] == [f"Bearer {CANARY}"] * 2
    assert found == []


async def test_the_key_that_is_made_for_the_embedded_redis_is_for_its_owner_alone(tmp_path: Path, until: Until) -> None:
    with embedded(tmp_path / "data") as service:
        await until(service.answers, "it answers", within=30)
        lines = command_lines(service.process.pid)

    file = tmp_path / "data" / "secret.keys"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.stat().st_nlink == 1
    assert len(lines) == 3
    assert not any(key in line for key in file.read_text().split() for line in lines)
