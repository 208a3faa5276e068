"""What a well made service in Python can reach: from the model through a journal in Redis to the subscribers.

The model is read over HTTP, each chunk decoded into an event, all that a run has new appended to a stream in Redis
before it is delivered, one round trip for all runs. No checks, no agent, no records.
"""

import asyncio
import os

import msgspec
import redis.asyncio as aioredis
from msgspec import Struct

from tests.bench.apps.asgi import App
from tests.bench.wire import Http

_PAD = "p" * 112  # events as long as those of the reference
_END = b'data: {"type":"END"}\n\n'


class _Delta(Struct):
    content: str | None = None


class _Choice(Struct):
    delta: _Delta


class _Chunk(Struct):
    choices: list[_Choice]


class _Event(Struct, tag_field="type", tag="DELTA"):
    id: str
    reply: str
    delta: str
    pad: str = _PAD


_decode = msgspec.json.Decoder(_Chunk).decode
_encode = msgspec.json.Encoder().encode
_model = Http(int(os.environ.get("BENCH_MODEL", "0")))


class Journal:
    """One writer for all runs: while one pipeline is under way the next one gathers."""

    def __init__(self, port: int) -> None:
        self._redis = aioredis.Redis(port=port)
        self._waiting: list[tuple[bytes, bytes, asyncio.Future[None]]] = []
        self._writing = False

    async def write(self, session: bytes, frames: bytes) -> None:
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((session, frames, written))
        if not self._writing:
            self._writing = True
            app.keep(self._write_all())
        await written

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            pipe = self._redis.pipeline(transaction=False)
            for session, frames, _ in batch:
                pipe.execute_command("XADD", b"log:" + session, "MAXLEN", "~", 1000, "*", b"e", frames)
            await pipe.execute()
            for _, _, written in batch:
                written.set_result(None)
        self._writing = False


class Run:
    """One reply: what the model has sent and nobody has written yet."""

    def __init__(self) -> None:
        self._buffer = b""
        self._count = 0
        self.fresh: list[bytes] = []
        self.wake = asyncio.Event()

    def feed(self, piece: bytes, _at: int) -> None:
        *chunks, self._buffer = (self._buffer + piece).split(b"\n\n")
        for chunk in chunks:
            if chunk[6:7] == b"{" and (choices := _decode(chunk[6:]).choices) and (text := choices[0].delta.content):
                self._count += 1
                self.fresh.append(b"data: %b\n\n" % _encode(_Event(f"{self._count:032x}", "1" * 32, text)))
        if self.fresh:
            self.wake.set()

    def end(self) -> None:
        self.fresh.append(_END)
        self.wake.set()


async def _reply(session: bytes, body: bytes) -> None:
    run = Run()
    connection = await _model.connection()
    message = {"role": "user", "content": body.decode()}
    connection.send(
        ("POST", "/v1/chat/completions", {}, {"model": "fake", "stream": True, "messages": [message]}), run.feed
    )
    assert connection.whole is not None
    connection.whole.add_done_callback(lambda _: run.end())
    frames = b""
    while not frames.endswith(_END):
        await run.wake.wait()
        run.wake.clear()
        frames, run.fresh = b"".join(run.fresh), []
        await _journal.write(session, frames)
        app.put(session, frames)
    _model.give_back(connection)


app = App(_reply, batch=True)
_journal = Journal(int(os.environ.get("BENCH_REDIS", "0")))
