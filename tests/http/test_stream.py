"""Streams on a real socket."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from litestar import Litestar

from agentsvc.app import create_app
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.http.identity import Auth
from agentsvc.http.stream import EventStream
from agentsvc.plugin import AgentServicePlugin
from agentsvc.settings import Settings
from tests.http.conftest import DEMO, said
from tests.http.serving import served

ADA = {"x-user-id": "ada"}


class Conversation:
    """A session on a real server."""

    def __init__(self, client: httpx.AsyncClient, agent: str, session: str, app: Litestar) -> None:
        self.client, self.agent, self.session, self.app = client, agent, session, app

    @property
    def parts(self):
        return self.app.plugins.get(AgentServicePlugin).parts

    async def say(self, text: str) -> None:
        body = {"agent_id": self.agent, "session_id": self.session, "input": said(text)}
        assert (await self.client.post("/chat/", json=body)).status_code == 200

    @asynccontextmanager
    async def stream(self, headers: dict[str, str] | None = None, **params: Any) -> AsyncGenerator[httpx.Response]:
        path, query = f"/sessions/{self.session}/stream", {"agent_id": self.agent} | params
        async with self.client.stream("GET", path, params=query, headers=headers) as response:
            yield response

    async def subscribers(self) -> int:
        return sum(len(channel.subscriptions) for channel in self.parts.bus.hub._channels.values())


@pytest.fixture
async def talk(settings) -> AsyncIterator[Conversation]:
    app = create_app(settings=settings)
    async with served(app) as url, httpx.AsyncClient(base_url=url, headers=ADA, trust_env=False, timeout=10) as client:
        agent = (await client.post("/agent/", json={"name": "Ada's"})).json()["agent_id"]
        body = {"agent_id": agent, "chat_model_config": DEMO}
        session = (await client.post("/sessions/", json=body)).json()["session_id"]
        yield Conversation(client, agent, session, app)


async def test_a_stream_carries_a_reply_from_start_to_end(talk: Conversation):
    async with talk.stream() as response:
        frames = frames_of(response)
        first = await anext(frames)

        await talk.say("Hello")
        events = [event async for event in until_reply_end(frames)]

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-length" not in response.headers
    assert first == ":"
    assert events[0][1]["type"] == "REPLY_START"
    assert "Hello" in "".join(event["delta"] for _, event in events if event["type"] == "TEXT_BLOCK_DELTA")
    assert [int(seq) for seq, _ in events] == list(range(1, len(events) + 1))
    assert [event["id"] for _, event in events] == [seq for seq, _ in events]


@pytest.mark.parametrize("cursor", [{"headers": {"last-event-id": "3"}, "after": "1"}, {"after": "3"}])
async def test_a_stream_is_taken_up_where_it_was_cut_off(talk: Conversation, cursor):
    async with talk.stream() as response:
        frames = frames_of(response)
        await talk.say("Hello")
        everything = [event async for event in until_reply_end(frames)]

    async with talk.stream(**cursor) as response:
        frames = frames_of(response)
        greeting = json.loads((await anext(frames)).removeprefix("data: "))
        rest = [event async for event in until_reply_end(frames)]

    assert greeting["name"] == "stream_resumed"
    assert rest == everything[3:]


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"after": "now"}, "after"),
        ({"after": -1}, "after"),
        ({"after": 2**60}, "after"),
        ({"headers": {"last-event-id": "yesterday"}}, "Last-Event-ID"),
        ({"headers": {"last-event-id": "9" * 30}}, "Last-Event-ID"),
    ],
)
async def test_a_cursor_that_is_none_is_refused(talk: Conversation, sent, path: str):
    async with talk.stream(**sent) as response:
        problem = json.loads(await response.aread())

    assert response.status_code == 422
    assert [each["path"] for each in problem["errors"]] == [path]


async def test_a_client_that_goes_away_leaves_nothing_behind(talk: Conversation, until):
    async with talk.stream() as response:
        await anext(response.aiter_bytes())
        assert await talk.subscribers() == 1

    await until(lambda: no_subscribers(talk), "nobody is subscribed")


async def test_a_stream_ends_with_its_session(talk: Conversation):
    async with talk.stream() as response:
        frames = frames_of(response)
        await anext(frames)

        await talk.client.delete(f"/sessions/{talk.session}", params={"agent_id": talk.agent})

        assert [frame async for frame in frames] == []


async def test_streams_end_cleanly_when_the_process_is_to_stop(talk: Conversation):
    async with talk.stream() as response:
        frames = frames_of(response)
        await anext(frames)

        talk.parts.drain()

        assert [frame async for frame in frames] == []


async def test_the_source_is_closed_in_peace_when_the_client_goes():
    closed = asyncio.Event()
    arrived = asyncio.Event()

    async def source() -> AsyncGenerator[bytes]:
        try:
            yield b":\n\n"
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            closed.set()

    async def send(message) -> None:
        if message.get("body"):
            arrived.set()

    async def receive() -> Any:
        await arrived.wait()
        return {"type": "http.disconnect"}

    await EventStream(source()).send_body(send, receive)

    task = asyncio.current_task()
    assert closed.is_set()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancelled_server_is_not_held_up():
    async def source() -> AsyncGenerator[bytes]:
        yield b":\n\n"
        await asyncio.Event().wait()

    async def send(_) -> None:
        arrived.set()

    async def receive() -> Any:
        await asyncio.Event().wait()

    arrived = asyncio.Event()
    task = asyncio.create_task(EventStream(source()).send_body(send, receive))
    await arrived.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_source_that_loses_its_redis_ends_the_stream():
    sent = []

    async def source() -> AsyncGenerator[bytes]:
        yield b":\n\n"
        raise ConnectionError

    async def send(message) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    await EventStream(source()).send_body(send, receive)

    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def no_subscribers(talk: Conversation) -> bool:
    return await talk.subscribers() == 0


async def frames_of(response: httpx.Response) -> AsyncGenerator[str]:
    buffer = ""
    async for text in response.aiter_text():
        buffer += text
        while "\n\n" in buffer:
            frame, _, buffer = buffer.partition("\n\n")
            yield frame


async def until_reply_end(frames: AsyncIterator[str]) -> AsyncGenerator[tuple[str, dict]]:
    """Seq and event of each frame that has a seq, up to the end of a reply."""
    async for frame in frames:
        lines = dict(line.split(": ", 1) for line in frame.splitlines() if ": " in line)
        if "id" in lines:
            event = json.loads(lines["data"])
            yield lines["id"], event
            if event["type"] == "REPLY_END":
                return


async def test_a_stream_ends_cleanly_when_the_identity_of_its_reader_does(settings: Settings):
    auth = Auth(lambda request: request.headers["x-user-id"], expires=lambda _: time.time() + 0.2)
    app = create_app(settings=settings, auth=auth)
    async with served(app) as url, httpx.AsyncClient(base_url=url, headers=ADA, trust_env=False, timeout=10) as client:
        agent = (await client.post("/agent/", json={"name": "Ada's"})).json()["agent_id"]
        session = (await client.post("/sessions/", json={"agent_id": agent})).json()["session_id"]
        talk = Conversation(client, agent, session, app)

        async with talk.stream() as response:
            whole = await response.aread()

        assert whole == b":\n\n"
        assert await talk.subscribers() == 0


async def test_a_stream_of_a_session_that_was_deleted_before_anybody_listened_ends(talk: Conversation):
    frames = await talk.parts.streams.open(OwnerId("ada"), SessionId(talk.session), AgentId(talk.agent))
    await talk.parts.bus.heads.remove(SessionId(talk.session))

    assert [each async for each in frames] == [b":\n\n"]
