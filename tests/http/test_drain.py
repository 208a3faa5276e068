"""A process that is told to stop ends its streams itself: servers wait for open responses."""

import asyncio
import signal
import threading
import time

import httpx
import pytest

from agentsvc.plugin import on_signal
from tests.http.conftest import DEMO
from tests.test_serve import serving

ADA = {"x-user-id": "ada"}


async def test_streams_end_cleanly_when_the_server_is_told_to_stop(tmp_path, until):
    with serving(tmp_path) as server:
        await until(server.answers, "it answers", within=15)
        async with httpx.AsyncClient(base_url=server.url, headers=ADA, trust_env=False, timeout=20) as client:
            agent = (await client.post("/agent/", json={"name": "Ada"})).json()["agent_id"]
            body = {"agent_id": agent, "chat_model_config": DEMO}
            session = (await client.post("/sessions/", json=body)).json()["session_id"]
            path, at = f"/sessions/{session}/stream", {"agent_id": agent}
            async with client.stream("GET", path, params=at) as stream:
                chunks = stream.aiter_bytes()
                await anext(chunks)
                began = time.monotonic()

                server.process.terminate()

                assert [chunk async for chunk in chunks] == []
                assert time.monotonic() - began < 3
        said, _ = await asyncio.to_thread(server.process.communicate, timeout=15)

    assert server.process.returncode == 0, said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_is_heard_by_both(number: signal.Signals, until):
    heard: list[str] = []
    before = signal.signal(number, lambda *_: heard.append("server"))
    try:
        with on_signal(lambda: heard.append("drain")):
            signal.raise_signal(number)
            await until(lambda: len(heard) == 2, "both have heard")
        signal.raise_signal(number)
    finally:
        signal.signal(number, before)

    assert heard == ["server", "drain", "server"]


async def test_a_signal_that_nobody_handles_still_ends_the_process():
    before = signal.getsignal(signal.SIGTERM)

    with on_signal(lambda: None):
        inside = signal.getsignal(signal.SIGTERM)

    assert before == signal.SIG_DFL
    assert inside == signal.SIG_DFL


async def test_outside_the_main_thread_signals_are_left_alone():
    failures: list[BaseException] = []

    def enter() -> None:
        try:
            with on_signal(lambda: None):
                pass
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test is to fail
            failures.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    await asyncio.to_thread(thread.join)

    assert failures == []


async def test_a_request_under_way_is_answered_when_the_server_is_told_to_stop(tmp_path, until):
    head = b"POST /agent/ HTTP/1.1\r\nhost: localhost\r\nx-user-id: ada\r\ncontent-type: application/json\r\n"
    body = b'{"name": "Ada"}'
    with serving(tmp_path) as server:
        await until(server.answers, "it answers", within=15)
        reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body[:5])
            await writer.drain()
            await client.get("/health/live")

            server.process.terminate()
            await until(lambda: not server.answers(), "no new request is taken", within=10)
            writer.write(body[5:])

            answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        said, _ = await asyncio.to_thread(server.process.communicate, timeout=15)

    assert answer.startswith(b"HTTP/1.1 201 ")
    assert server.process.returncode == 0, said
