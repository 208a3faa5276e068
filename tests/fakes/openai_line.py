"""One connection of the fake OpenAI server: what comes in, and how a script is played on it."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tests.fakes.openai_scripts import (
    ENDINGS,
    Calls,
    Chunk,
    Cut,
    Fail,
    Finish,
    Hang,
    Hold,
    Raw,
    Step,
    Text,
    Thinking,
)

_numbers = itertools.count(1)
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Gone(Exception):
    """The client has left, or the script cuts it off."""


@dataclass
class Request:
    """What came in. ``gone``: the client left before the answer had ended."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any = None
    gone: bool = False
    done: bool = False


class Line:
    """One connection: what waits to be written, and how a script is played on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._out = bytearray()
        self._model = ""

    @property
    def gone(self) -> bool:
        return self._reader.at_eof() or self._reader.exception() is not None

    async def request(self) -> Request:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, path, _ = head[0].split(" ", 2)
        pairs = (line.partition(":") for line in head[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Request(method, path, headers, json.loads(body) if body else None)

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        lines = {"content-type": "application/json", "content-length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        phrase = HTTPStatus(status).phrase
        self._writer.write(f"HTTP/1.1 {status} {phrase}\r\n{head}\r\n".encode() + body)

    async def play(self, steps: list[Step], model: str, released: asyncio.Event) -> None:
        self._model = model
        first = steps[0] if steps else None
        if isinstance(first, Fail):
            body = first.body or json.dumps({"error": {"message": first.message}}).encode()
            return self.answer(first.status, body, dict(first.headers))
        if not isinstance(first, Hang | Cut):
            self._out += _HEAD
            self._event(self._choice({"role": "assistant", "content": ""}))
        if not steps or not isinstance(steps[-1], ENDINGS):
            steps.append(Finish("tool_calls" if any(isinstance(step, Calls) for step in steps) else "stop"))
        for step in steps:
            await self._step(step, released)
        self._flush()
        return None

    async def _step(self, step: Step, released: asyncio.Event) -> None:
        await self._pause(getattr(step, "delay", 0.0))
        match step:
            case Text(text):
                self._event(self._choice({"content": text}))
            case Thinking(text, key=key):
                self._event(self._choice({key: text}))
            case Calls():
                for delta in _fragments(step):
                    self._event(self._choice({"tool_calls": [delta]}))
            case Chunk(body):
                self._event(body)
            case Raw(data):
                self._flush()
                self._frame(data)
                self._flush()
            case Hold() | Hang():
                self._flush()
                await self._until(released if isinstance(step, Hold) else asyncio.Event())
            case Finish():
                self._finish(step)
            case Cut() | Fail():
                self._flush()
                await self._writer.drain()
                raise Gone

    def _finish(self, step: Finish) -> None:
        if step.reason is not None:
            self._event(self._choice({}, step.reason))
        if step.usage is not None:
            prompt, completion, cached = step.usage
            self._event(
                self._chunk([])
                | {
                    "usage": {
                        "prompt_tokens": prompt,
                        "completion_tokens": completion,
                        "total_tokens": prompt + completion,
                        "prompt_tokens_details": {"cached_tokens": cached},
                    }
                }
            )
        if step.done:
            self._frame(b"data: [DONE]\n\n")
        self._out += b"0\r\n\r\n"

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self._flush()
            await asyncio.sleep(seconds)
            if self.gone:
                raise Gone

    async def _until(self, event: asyncio.Event) -> None:
        """Wait for the event, or raise when the client goes first."""
        waiting = asyncio.ensure_future(event.wait())
        leaving = asyncio.ensure_future(self._reader.read(1))
        try:
            await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise Gone
        finally:
            for each in (waiting, leaving):
                each.cancel()
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await leaving

    def _chunk(self, choices: list[Any]) -> dict[str, Any]:
        return {
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": self._model,
            "choices": choices,
        }

    def _choice(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        return self._chunk([{"index": 0, "delta": delta, "finish_reason": reason}])

    def _event(self, body: Any) -> None:
        self._frame(b"data: " + json.dumps(body).encode() + b"\n\n")

    def _frame(self, data: bytes) -> None:
        self._out += b"%x\r\n%b\r\n" % (len(data), data)

    def _flush(self) -> None:
        if self._out:
            self._writer.write(bytes(self._out))
            self._out.clear()


def _fragments(step: Calls) -> Iterator[dict[str, Any]]:
    for index, call in enumerate(step.calls):
        head = {"name": call.name, "arguments": ""}
        yield {"index": index, "id": call.id or f"call_fake_{next(_numbers)}", "type": "function", "function": head}
    for part in range(step.fragments):
        for index, call in enumerate(step.calls):
            size = -(-len(call.text) // step.fragments)
            yield {"index": index, "function": {"arguments": call.text[part * size : (part + 1) * size]}}
