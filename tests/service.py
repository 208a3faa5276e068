"""The service as clients meet it: real processes on a real socket, and the few calls that every story begins with."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec

from agentsvc.domain.events import Custom, Event, ReplyEnd, ReplyStart, Unknown, decode_event
from agentsvc.domain.fold import Fold
from agentsvc.domain.messages import Msg
from tests.conftest import wait_until

PROGRAM = (sys.executable, "-m", "agentsvc")
KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="  # 32 bytes, base64; good for nothing else

# Headers of a request that takes a connection of its own, so that any worker may answer it.
ANEW = {"connection": "close"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Service:
    """A running ``agentsvc serve``; what it says is in ``log``."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path, redis_url: str, workers: int) -> None:
        self.redis_url = redis_url
        self.workers = workers
        self.process = process
        self.port = port
        self.log = log

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    async def ready(self, within: float = 20) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=2, trust_env=False) as client:

            async def healthy() -> bool:
                assert self.process.poll() is None, f"the service ended: {self.said()}"
                with suppress(httpx.TransportError):
                    return (await client.get("/health/ready")).status_code == 200
                return False

            await wait_until(healthy, "the service is ready", within=within)

    def kill(self) -> None:
        """SIGKILL to the whole service: nothing of it says another word."""
        kill(self.process)

    def stop(self, within: float = 15) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.process.wait(within)


@contextmanager
def serving(
    redis_url: str,
    *arguments: str,
    workers: int = 1,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    program: Sequence[str] = PROGRAM,
) -> Generator[Service]:
    """A service on this Redis, in a process group of its own, ended with the block."""
    port = port or free_port()
    command = [*program, "serve", *("--port", str(port), "--workers", str(workers)), *arguments]
    with running(command, redis_url, environment) as (process, log):
        yield Service(process, port, log, redis_url, workers)


@contextmanager
def carrying_out(redis_url: str, *arguments: str, workers: int = 1) -> Generator[subprocess.Popen[bytes]]:
    """An ``agentsvc worker`` on this Redis, ended with the block."""
    with running([*PROGRAM, "worker", "--workers", str(workers), *arguments], redis_url) as (process, _):
        yield process


@contextmanager
def running(
    command: Sequence[str], redis_url: str, environment: Mapping[str, str] | None = None
) -> Generator[tuple[subprocess.Popen[bytes], Path]]:
    """A command on this Redis, in a process group of its own, and the file with what it says; ended with the block."""
    with tempfile.TemporaryDirectory(prefix="agentsvc-", ignore_cleanup_errors=True) as directory:
        log = Path(directory) / "log"
        variables = {
            **os.environ,
            "AGENTSVC_DATA_DIR": directory,
            "AGENTSVC_REDIS_URL": redis_url,
            "AGENTSVC_SECRET_KEYS": KEY,
            "AGENTSVC_ALLOW_PRIVATE": "model=127.0.0.1",
            **(environment or {}),
        }
        with (
            log.open("wb") as sink,
            subprocess.Popen(command, stdout=sink, stderr=sink, env=variables, process_group=0) as process,
        ):
            try:
                yield process, log
            finally:
                if process.poll() is None:
                    process.terminate()
                    try:
                        process.wait(15)
                    except subprocess.TimeoutExpired:
                        kill(process)
                        raise


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to its whole group: nothing of it says another word."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class User:
    """One user and what they do most."""

    def __init__(self, client: httpx.AsyncClient, name: str) -> None:
        self.client = client
        self.name = name

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = {"x-user-id": self.name, **more.pop("headers", {})}
        content = {} if body is None else {"json": body}
        return await self.client.request(method, path, headers=headers, **content, **more)

    async def made(self, path: str, body: Any) -> Any:
        answer = await self.ask("POST", path, body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def agent(self, **fields: Any) -> str:
        """One that is not told the time, so that nothing comes between what a test says and what the model hears."""
        quiet = {"injection_config": {"inject_runtime_state": False}}
        return str((await self.made("/agent/", {"name": "Bob", **quiet, **fields}))["agent_id"])

    async def credential(self, model_url: str, key: str = "sk-test") -> str:
        data = {"type": "openai_credential", "api_key": key, "base_url": model_url}
        return str((await self.made("/credential/", {"data": data}))["credential_id"])

    async def session(self, agent_id: str, credential_id: str | None = None, **fields: Any) -> "Conversation":
        """With a credential the scripted OpenAI server answers."""
        if credential_id is not None:
            fields["chat_model_config"] = {
                "type": "openai_credential",
                "credential_id": credential_id,
                "model": "scripted",
                "parameters": {},
            }
        made = await self.made("/sessions/", {"agent_id": agent_id, **fields})
        return Conversation(self, agent_id, str(made["session_id"]))

    async def conversation(self, model_url: str) -> "Conversation":
        """A session with an agent and a credential of its own."""
        return await self.session(await self.agent(), await self.credential(model_url))


def message(text: str, **fields: Any) -> dict[str, Any]:
    return {"name": "user", "role": "user", "content": [{"type": "text", "text": text}], **fields}


class Away(Exception):
    """The service says that a part of it is not there now."""


class Conversation:
    """One session of one user."""

    def __init__(self, user: User, agent_id: str, session_id: str) -> None:
        self.user = user
        self.agent_id = agent_id
        self.session_id = session_id

    def path(self, rest: str = "") -> str:
        return f"/sessions/{self.session_id}{rest}?agent_id={self.agent_id}"

    async def say(self, given: Any, **headers: str) -> httpx.Response:
        """``given`` is a text, or the whole input."""
        body = {
            "agent_id": self.agent_id,
            "session_id": self.session_id,
            "input": message(given) if isinstance(given, str) else given,
        }
        return await self.user.ask("POST", "/chat/", body, headers=headers)

    async def told(self, given: Any) -> str:
        """Say it, and expect that it is accepted: the run id."""
        answer = await self.say(given)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["run_id"])

    async def messages(self, **query: Any) -> list[Msg]:
        answer = await self.user.ask("GET", self.path("/messages"), params={"agent_id": self.agent_id, **query})
        assert answer.status_code == 200, answer.text
        return msgspec.convert(answer.json()["messages"], list[Msg])

    async def status(self) -> str:
        return str((await self.user.ask("GET", self.path("/status"))).json()["status"])

    async def idle(self, within: float = 15) -> None:
        async def ended() -> bool:
            return await self.status() == "idle"

        await wait_until(ended, "the session is idle", within=within)

    async def interrupt(self) -> httpx.Response:
        return await self.user.ask("POST", self.path("/interrupt"))

    @asynccontextmanager
    async def stream(self, after: int | None = None, **headers: str) -> AsyncGenerator["Reader"]:
        """The event stream, opened when the block begins."""
        path = self.path("/stream") + ("" if after is None else f"&after={after}")
        headers = {"x-user-id": self.user.name, **headers}
        async with self.user.client.stream("GET", path, headers=headers, timeout=None) as response:
            if response.status_code == 503:
                raise Away
            assert response.status_code == 200, await response.aread()
            yield Reader(response)


class Reader:
    """Reads a stream event by event; ``seq`` is the last id that came."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.seq = 0
        self.events: list[Event] = []
        self.frames = self._frames()

    async def _frames(self) -> AsyncGenerator[tuple[int | None, Event | Unknown]]:
        seq: int | None = None
        async for line in self.lines():
            if line.startswith(b"id: "):
                seq = int(line[4:])
            elif line.startswith(b"data: "):
                yield seq, decode_event(line[6:])
                seq = None

    async def lines(self) -> AsyncGenerator[bytes]:
        """As they were sent. ``aiter_lines`` would also part them at characters that end no line of a stream."""
        rest = b""
        async for piece in self.response.aiter_bytes():
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                yield line

    async def next(self) -> Event:
        """The next event; StopAsyncIteration when the stream has ended."""
        seq, event = await anext(self.frames)
        assert not isinstance(event, Unknown)
        self.seq = seq if seq is not None else self.seq
        self.events.append(event)
        return event

    async def until(self, kind: type[Any], within: float = 20) -> Any:
        """The next event of this kind."""
        with anyio.fail_after(within):
            while True:
                event = await self.next()
                if isinstance(event, kind):
                    return event

    async def reply(self, within: float = 20) -> Msg:
        """What the events up to the next ``REPLY_END`` say."""
        await self.until(ReplyEnd, within)
        return replies(self.events)[-1]

    async def rest(self) -> list[Event]:
        """What comes until the stream ends."""
        before = len(self.events)
        with suppress(StopAsyncIteration):
            while True:
                await self.next()
        return self.events[before:]


def replies(events: Sequence[Event]) -> list[Msg]:
    """The messages that a client makes of a stream."""
    folds: list[Fold] = []
    for event in events:
        if isinstance(event, ReplyStart):
            if not folds or folds[-1].reply_id != event.reply_id:
                folds.append(Fold.start(event))
        elif folds and isinstance(event, Custom):
            folds[-1].apply(event)
        else:
            for fold in folds:
                fold.apply(event)
    return [fold.message() for fold in folds]


@asynccontextmanager
async def user_of(service: Service, name: str = "ada") -> AsyncGenerator[User]:
    """Without a limit on connections: a test may hold hundreds of streams."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
    async with httpx.AsyncClient(base_url=service.url, timeout=30, trust_env=False, limits=limits) as client:
        yield User(client, name)
