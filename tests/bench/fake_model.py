"""A fake model that speaks OpenAI's chat completions, and costs so little that it is not what is measured.

No framework, no JSON parsed, and a reply without delays is one write. The last directive in the messages, or else the
name of the model, says what the reply is like:

    [[n=200 d=20 f=5 hold=1 tag=x tool=Name args=%7B%22a%22%3A1%7D]]       or  "fake-n200-d20-f5"

    n     chunks of text (20)
    d     milliseconds between chunks (0): chunk k is due at start + f + k * d, so pacing does not drift
    f     milliseconds before the first one (0)
    hold  1: send all chunks, then keep the reply open until POST /_release
    tag   counted, with the time of arrival, in GET /_stats
    tool  a request that does not end with a result of a tool is answered by a call of this one
    args  its arguments, JSON, quoted as in URLs ({})

Each chunk is a token ``#number:time#``; the time is CLOCK_MONOTONIC in microseconds when the chunk went to the socket.
From these a client reads order, loss, duplicates and lag, whatever the service has wrapped around them.
POST /_reset sets the counters back.
"""

import argparse
import asyncio
import json
import re
import time
from collections import defaultdict
from typing import Any, cast
from urllib.parse import unquote

import uvloop

_DIRECTIVE = re.compile(rb"\[\[([^\[\]]*=[^\[\]]*)\]\]")
_NAME = re.compile(rb'"model"\s*:\s*"([^"]*)"')
_IN_NAME = re.compile(r"-([ndf])([0-9.]+)")
_ROLE = re.compile(rb'"role"\s*:\s*"(\w+)"')
_STREAM = re.compile(rb'"stream"\s*:\s*true')
_FORCED = re.compile(rb'"tool_choice"\s*:\s*\{[^}]*"name"\s*:\s*"([^"]+)"')
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
_CHUNK = (
    'data: {"id":"chatcmpl-fake","object":"chat.completion.chunk","created":1,"model":"fake",'
    '"choices":[{"index":0,"delta":%s,"finish_reason":%s}]}\n\n'
)
_USAGE = (
    'data: {{"id":"chatcmpl-fake","object":"chat.completion.chunk","created":1,"model":"fake","choices":[],'
    '"usage":{{"prompt_tokens":{0},"completion_tokens":{1},"total_tokens":{2}}}}}\n\ndata: [DONE]\n\n'
)


def _now_us() -> int:
    return time.monotonic_ns() // 1000


def _frame(body: str) -> bytes:
    """One chunk of HTTP."""
    return f"{len(body):x}\r\n{body}\r\n".encode()


def _chunk(delta: str, finish: str = "null") -> str:
    return _CHUNK % (delta, finish)


_ROLE_FRAME = _frame(_chunk('{"role":"assistant","content":""}'))
# The places of number and time are as long as what takes them.
_TOKEN_FRAME = _frame(_chunk('{"content":"#NUMBER:MICROSECONDS____#"}')).decode()
_TOKEN_FRAME = _TOKEN_FRAME.replace("NUMBER", "%06d").replace("MICROSECONDS____", "%016d")


class Wanted:
    """What a request asks for."""

    def __init__(self, body: bytes) -> None:
        name = _NAME.search(body)
        fields = dict(_IN_NAME.findall(name[1].decode())) if name else {}
        if directive := _last_directive(body):
            fields |= dict(part.split("=", 1) for part in directive.split())
        self.count = int(fields.get("n", 20))
        self.delay_s = float(fields.get("d", 0)) / 1000
        self.first_s = float(fields.get("f", 0)) / 1000
        self.hold = fields.get("hold") == "1"
        self.tag: str | None = fields.get("tag")
        self.arguments = unquote(fields.get("args", "%7B%7D"))
        self.tool: str | None = fields.get("tool")
        self.prompt_tokens = len(body) // 4
        if self.tool and (roles := _ROLE.findall(body)) and roles[-1] == b"tool":
            self.tool = None


def _last_directive(body: bytes) -> str | None:
    """Looked for from the end, since bodies get long."""
    at = len(body)
    while (at := body.rfind(b"[[", 0, at)) >= 0:
        if found := _DIRECTIVE.match(body, at):
            return found[1].decode()
    return None


class Counters:
    def __init__(self) -> None:
        self.reset()
        self.held: set[Server] = set()

    def reset(self) -> None:
        self.requests = 0
        self.chunks = 0
        self.tags: dict[str, list[int]] = defaultdict(list)

    def as_json(self) -> dict[str, Any]:
        return {"requests": self.requests, "chunks": self.chunks, "tags": self.tags}


class Server(asyncio.Protocol):
    """One connection; requests on it are answered one after the other."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._wanted: Wanted | None = None
        self._sent = 0
        self._began = 0.0
        self._next: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._next is not None:
            self._next.cancel()
        self._counters.held.discard(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._wanted is None:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            length = _LENGTH.search(head)
            size = int(length[1]) if length else 0
            if len(rest) < size:
                return
            self._buffer = rest[size:]
            self._request(head.split(b" ", 2)[1], rest[:size])

    def end(self, reason: str = "stop") -> None:
        """The last chunk, and the usage."""
        wanted, self._wanted = self._wanted, None
        assert wanted is not None
        self._counters.held.discard(self)
        self._counters.chunks += self._sent
        usage = _USAGE.format(wanted.prompt_tokens, self._sent, wanted.prompt_tokens + self._sent)
        self._transport.write(_frame(_chunk("{}", f'"{reason}"') + usage) + b"0\r\n\r\n")
        if self._buffer:
            self._loop.call_soon(self.data_received, b"")

    def _request(self, path: bytes, body: bytes) -> None:
        if path.endswith(b"/chat/completions"):
            self._complete(Wanted(body), body)
        elif path == b"/_stats":
            self._answer(self._counters.as_json())
        elif path.endswith(b"/models"):
            self._answer({"object": "list", "data": [{"id": "fake", "object": "model"}]})
        else:
            if path == b"/_reset":
                self._counters.reset()
            elif path == b"/_release":
                for server in list(self._counters.held):
                    server.end()
            self._answer({})

    def _answer(self, value: dict[str, Any]) -> None:
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)

    def _complete(self, wanted: Wanted, body: bytes) -> None:
        self._counters.requests += 1
        if wanted.tag is not None:
            self._counters.tags[wanted.tag].append(_now_us())
        if not _STREAM.search(body):
            self._answer(_whole(wanted, _FORCED.search(body), self._counters.requests))
            return
        self._wanted, self._sent = wanted, 0
        self._transport.write(_HEAD + _ROLE_FRAME)
        if wanted.tool:
            called = json.dumps({"tool_calls": [{"index": 0, **_call(wanted.tool, wanted, self._counters.requests)}]})
            self._transport.write(_frame(_chunk(called)))
            self.end("tool_calls")
            return
        self._began = self._loop.time() + wanted.first_s
        if wanted.first_s > 0:
            self._next = self._loop.call_at(self._began, self._step)
        else:
            self._step()

    def _step(self) -> None:
        """Send what is due."""
        wanted = self._wanted
        assert wanted is not None
        if wanted.delay_s <= 0:
            now = _now_us()
            self._transport.write("".join([_TOKEN_FRAME % (number, now) for number in range(wanted.count)]).encode())
            self._sent = wanted.count
        due = self._loop.time() + 0.0005
        while self._sent < wanted.count and self._began + self._sent * wanted.delay_s <= due:
            self._transport.write((_TOKEN_FRAME % (self._sent, _now_us())).encode())
            self._sent += 1
        if self._sent < wanted.count:
            self._next = self._loop.call_at(self._began + self._sent * wanted.delay_s, self._step)
        elif wanted.hold:
            self._counters.held.add(self)
        else:
            self.end()


def _whole(wanted: Wanted, forced: re.Match[bytes] | None, number: int) -> dict[str, Any]:
    """An answer that is not streamed."""
    name = wanted.tool or (forced[1].decode() if forced else None)
    message: dict[str, Any] = {"role": "assistant", "content": f"#000000:{_now_us():016d}#"}
    if name:
        message |= {"content": None, "tool_calls": [_call(name, wanted, number)]}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion",
        "created": 1,
        "model": "fake",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if name else "stop"}],
        "usage": {"prompt_tokens": wanted.prompt_tokens, "completion_tokens": 1, "total_tokens": 1},
    }


def _call(name: str, wanted: Wanted, number: int) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": wanted.arguments}}


async def serve(port: int) -> None:
    counters = Counters()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(counters), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A fake model.")
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))
