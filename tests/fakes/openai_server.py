"""A server that speaks the wire format of OpenAI chat completions and follows a script.

In a test, in its loop::

    async with OpenAIServer() as server:
        server.script(*words("Hello there"))            # how the next request is answered; more calls queue up
        server.script(Fail(429, headers={"retry-after": "1"}))
        server.default = [Text("hm"), Hang()]           # for every request that finds no script
        ... base_url=server.url ...
        assert server.requests[0].body["model"] == "gpt-4o"

A script that has no ending gets a ``Finish`` of its own. ``server.release()`` lets every held answer go on.
``request.gone`` is true once the client has left before the end, ``server.open`` counts the answers in flight,
``server.connections`` all that were ever made.

As a process of its own::

    python -m tests.fakes.openai_server --port 8199     # prints the URL; port 0 takes a free one

In both, a request whose last user message with a directive holds ``[[key=value key=value]]`` is answered by that,
when no script waits. Values are percent-encoded:

    n=20          so many chunks of text, ``count(n)``
    text=Hi%20you this text instead, word by word
    d=0  f=0      milliseconds before each chunk, and before the first
    think=3       chunks of thought before it
    tool=Name     the first turn calls this tool with args={…} (calls=2: twice, in parallel; tool=One,Other calls
                  both); the text comes after the result
    finish=length the reason why it stopped
    prompt=10     the prompt tokens it reports
    hold=1        the end waits for release
    status=429    an error instead, with retry=1 as Retry-After
    error=1       an error object after the text      malformed=1   a chunk that is not JSON after the text
    cut=1         the connection is closed after it   hang=mid      nothing comes after it (hang=head: not even a head)
    times=2       what the directive says holds for the first 2 requests with it; later ones are answered plainly

``GET /_requests`` lists what came in (path, headers, body, gone); ``POST /_release`` and ``POST /_reset`` do what
they say.
"""

import argparse
import asyncio
import contextlib
import json
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Self

from tests.fakes.openai_line import Gone, Line, Request
from tests.fakes.openai_scripts import Script, Step, directive, script, words


@dataclass
class OpenAIServer:
    """See the module. ``requests`` holds the model requests in the order of their arrival."""

    default: Script | None = None
    requests: list[Request] = field(default_factory=list)
    open: int = 0
    connections: int = 0

    _scripts: deque[Script] = field(default_factory=deque)
    _used: Counter[str] = field(default_factory=Counter)
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port, backlog=4096)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """The ``base_url`` of a credential."""
        return f"http://127.0.0.1:{self.port}/v1"

    def script(self, *steps: Step) -> None:
        """How the next request without a script is answered."""
        self._scripts.append(steps)

    def release(self) -> None:
        self._released.set()
        self._released = asyncio.Event()

    def reset(self) -> None:
        self.release()
        self.requests.clear()
        self._scripts.clear()
        self._used.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while await self._serve(Line(reader, writer)):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, line: Line) -> bool:
        request = await line.request()
        if request.path.endswith("/chat/completions"):
            return await self._complete(line, request)
        if request.path == "/_release":
            self.release()
        if request.path == "/_reset":
            self.reset()
        seen = [vars(each) for each in self.requests] if request.path == "/_requests" else []
        line.answer(200, json.dumps({"object": "list", "data": seen}).encode())
        return True

    async def _complete(self, line: Line, request: Request) -> bool:
        steps = list(self._next(request.body))
        self.requests.append(request)
        self.open += 1
        try:
            await line.play(steps, request.body.get("model", "fake"), self._released)
        except (ConnectionError, Gone):
            request.gone = line.gone
            return False
        finally:
            self.open -= 1
            request.done = True
        return True

    def _next(self, body: dict[str, Any]) -> Script:
        if self._scripts:
            return self._scripts.popleft()
        messages = body.get("messages", [])
        settings = directive(messages)
        if settings is None:
            return words("Hello from the fake model.") if self.default is None else self.default
        key = json.dumps(settings)
        self._used[key] += 1
        if "times" in settings and self._used[key] > int(settings["times"]):
            return words("All is well now.")
        return script(settings, after_tool=messages[-1].get("role") == "tool")


async def _main(port: int) -> None:
    server = OpenAIServer()
    await server.start(port)
    print(server.url, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(parser.parse_args().port))
