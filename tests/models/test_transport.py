"""The way to the providers, over real sockets."""

import asyncio
import socket
import sys
from email.utils import formatdate
from time import monotonic, time

import pytest

from agentsvc.domain.errors import ModelError
from agentsvc.models.addresses import AddressGuard
from agentsvc.models.retries import Retry
from agentsvc.models.transport import Call, Limits, Transport, endpoint, kind_of
from tests.fakes.openai_scripts import Chunk, Cut, Fail, Finish, Hang, Raw, Text, words

SECRET = "sk-canary"


def call(server, path="/chat/completions"):
    headers = {"authorization": f"Bearer {SECRET}"}
    return Call(url=endpoint(server.url, path), body=b'{"messages":[]}', headers=headers, secrets=(SECRET,))


async def received(transport, request):
    async with transport.stream(request) as reads:
        return [event async for events in reads for event in events]


async def failure(transport, request):
    with pytest.raises(ModelError) as caught:
        await received(transport, request)
    return caught.value


async def test_an_answer_is_the_data_of_its_events(server, transport):
    server.script(Text("a"), Text("b"))

    events = await received(transport, call(server))

    assert len(events) == 6
    assert events[-1] == b"[DONE]"


async def test_an_event_may_come_in_any_pieces(server, transport):
    server.script(
        *(Raw(bytes([byte]), 0.001) for byte in b"data: one\r\ndata: two\r\n\r\n: ping\r\n\r\n"), Finish(None, None)
    )

    events = await received(transport, call(server))

    assert events[1:] == [b"one\ntwo", b"[DONE]"]


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
async def test_what_may_go_away_is_tried_again(server, transport, status):
    server.script(Fail(status))
    server.script(Fail(status))
    server.script(Text("well"))

    events = await received(transport, call(server))

    assert events[-1] == b"[DONE]"
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_what_the_caller_did_wrong_is_not(server, transport, status):
    server.default = [Fail(status)]

    error = await failure(transport, call(server))

    assert error.kind == kind_of(status)
    assert len(server.requests) == 1


async def test_attempts_end(server, transport):
    server.default = [Fail(503, "overloaded")]

    error = await failure(transport, call(server))

    assert (error.kind, len(server.requests)) == ("upstream", 3)
    assert "overloaded" in error.detail


async def test_retry_after_is_waited_for(server, transport):
    server.script(Fail(429, headers={"retry-after": "0.2"}))
    start = monotonic()

    await received(transport, call(server))

    assert monotonic() - start >= 0.2


async def test_a_long_retry_after_goes_to_the_caller_at_once(server, transport):
    server.default = [Fail(429, headers={"retry-after": formatdate(time() + 600, usegmt=True)})]

    error = await failure(transport, call(server))

    assert len(server.requests) == 1
    assert error.kind == "rate_limit"
    assert 590 < (error.retry_after or 0) <= 600


async def test_a_connection_that_is_dropped_without_an_answer_is_tried_again(server, transport):
    server.script(Cut())

    assert await received(transport, call(server))
    assert len(server.requests) == 2


async def test_a_stream_that_has_begun_is_not_tried_again(server, transport):
    server.default = [Text("half"), Cut()]

    error = await failure(transport, call(server))

    assert error.kind == "connection"
    assert len(server.requests) == 1


async def test_nobody_there_is_a_connection_error(transport):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"

        error = await failure(transport, Call(url=url, body=b""))

    assert error.kind == "connection"


@pytest.mark.parametrize("script", [[Hang()], [Text("one"), Hang()]])
async def test_a_silent_provider_is_a_connection_error(server, transport, script):
    server.default = script

    error = await failure(transport, call(server))

    assert (error.kind, error.detail) == ("connection", "the provider fell silent")
    assert len(server.requests) == 1


async def test_a_slow_stream_is_not_a_silent_one(server, transport):
    server.script(*words("a b c d e", delay=0.1))

    assert (await received(transport, call(server)))[-1] == b"[DONE]"


async def test_leaving_early_ends_the_request(server, transport, until):
    server.script(Text("one"), Hang())

    async with transport.stream(call(server)) as reads:
        await anext(reads)

    await until(lambda: server.requests[0].gone, "the server sees the client go")


async def test_cancelling_ends_the_request(server, transport, until):
    server.script(Hang())
    task = asyncio.create_task(received(transport, call(server)))
    await until(lambda: server.requests, "the request has arrived")

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: server.requests[0].gone, "the server sees the client go")


async def test_a_finished_answer_leaves_its_connection_to_the_next(server, transport):
    for _ in range(5):
        async with transport.stream(call(server)) as reads:
            async for events in reads:
                if events[-1] == b"[DONE]":
                    break

    assert server.connections == 1


async def test_many_streams_run_at_the_same_time(server, until):
    server.default = [Text("one"), Hang()]
    patient = Transport(AddressGuard(["127.0.0.1"]), limits=Limits(read_s=3.0))

    async def hold():
        with pytest.raises(ModelError):
            await received(patient, call(server))

    async with patient, asyncio.TaskGroup() as group:
        for _ in range(300):
            group.create_task(hold())
        await until(lambda: server.open == 300, "all streams are open")


async def test_errors_hold_no_secret(server, transport):
    server.default = [Fail(401, f"Incorrect API key {SECRET} " + "x" * 100_000)]

    error = await failure(transport, call(server))

    assert SECRET not in error.detail
    assert "Incorrect API key **********" in error.detail
    assert len(error.detail) < 2000


async def test_a_secret_is_not_shown_by_a_call(server):
    assert SECRET not in repr(call(server))


async def test_a_redirect_is_not_followed(server, transport):
    server.default = [Fail(307, headers={"location": f"{server.url}/elsewhere"})]

    error = await failure(transport, call(server))

    assert error.kind == "invalid_request"
    assert len(server.requests) == 1


async def test_an_answer_that_is_no_stream_is_an_upstream_error(server, transport):
    error = await failure(transport, call(server, "/models"))

    assert error.kind == "upstream"
    assert "application/json" in error.detail


async def test_an_endless_event_is_an_upstream_error(server):
    server.default = [Raw(b"data: " + b"x" * 5000), Hang()]
    async with Transport(AddressGuard(["127.0.0.1"]), limits=Limits(event=1000)) as transport:
        error = await failure(transport, call(server))

    assert error.kind == "upstream"


async def test_nonsense_on_the_line_is_an_upstream_or_connection_error(transport):
    async def nonsense(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\ndata:\r\nzz\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(nonsense, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        error = await failure(transport, Call(url=f"http://127.0.0.1:{port}/", body=b""))

    assert error.kind in ("upstream", "connection")


@pytest.mark.parametrize("pause", [0, 0.05])
@pytest.mark.parametrize("read", [b"", b"7\r\ndata: a\r\n"])
async def test_a_malformed_chunk_ends_the_answer(transport, read, pause):
    async def answer(reader, writer):
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n" + read)
        await writer.drain()
        await asyncio.sleep(pause)
        writer.write(b"no number\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as nonsense:
        port = nonsense.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            error = await failure(transport, Call(url=f"http://127.0.0.1:{port}/", body=b"{}"))

    assert error.kind == "upstream"


async def test_cookies_are_not_kept(server, transport):
    server.script(Fail(400, headers={"set-cookie": "a=b"}))
    await failure(transport, call(server))

    await received(transport, call(server))

    assert "cookie" not in server.requests[1].headers


async def test_compression_is_not_asked_for(server, transport):
    await received(transport, call(server))

    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_private_addresses_are_refused_before_anything_is_sent(server, host):
    async with Transport(retry=Retry(attempts=1)) as transport:
        error = await failure(transport, Call(url=f"http://{host}:{server.port}/v1/chat/completions", body=b"{}"))

    assert error.kind == "invalid_request"
    assert "not a public address" in error.detail
    assert not server.connections


async def test_a_name_that_is_allowed_is_reached(server):
    async with Transport(AddressGuard(["localhost"])) as transport:
        request = Call(url=f"http://localhost:{server.port}/v1/chat/completions", body=b'{"messages":[]}')

        assert await received(transport, request)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://user:pass@127.0.0.1/",
        "http://user@127.0.0.1/",
        "http:///v1",
        "v1",
        "http://[::1",
        "http://127.0.0.1:99999999/",
    ],
)
async def test_a_url_that_is_no_plain_http_is_refused(transport, url):
    error = await failure(transport, Call(url=url, body=b""))

    assert error.kind == "invalid_request"


async def test_a_header_cannot_be_smuggled_in(server, transport):
    request = Call(url=endpoint(server.url, "/"), body=b"", headers={"authorization": "Bearer x\r\nhost: y"})

    assert (await failure(transport, request)).kind == "invalid_request"


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1/chat"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1/chat"),
        (" https://api.openai.com ", "https://api.openai.com/chat"),
        ("https://x.example/a%2Fb?api-version=1", "https://x.example/a%2Fb/chat?api-version=1"),
    ],
)
def test_a_path_is_put_behind_that_of_the_base(base, url):
    assert endpoint(base, "/chat") == url


async def test_an_unexpected_chunk_passes_through(server, transport):
    server.script(Chunk({"any": "thing"}), Finish())

    assert b'{"any": "thing"}' in await received(transport, call(server))


async def test_the_fake_server_runs_as_a_process_of_its_own(transport):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.openai_server", "--port", "0", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        body = b'{"messages":[{"role":"user","content":"[[text=Hi]]"}]}'

        events = await received(transport, Call(url=endpoint(url, "/chat/completions"), body=body))
    finally:
        process.terminate()
        await process.wait()

    assert any(b'"content": "Hi"' in event for event in events)
