"""A program that runs beside the server: what it writes, how it ends, and that it ends."""

import asyncio
import marshal
import os
import sys
import tempfile
from collections import deque
from contextlib import ExitStack
from typing import Any, BinaryIO, Literal, Self, cast

from agentsvc.agent.backend import Output
from agentsvc.workspaces import jail

_HELD = 1 << 16  # bytes read and not yet taken, from which on nothing more is read
_GRACE = 5.0  # seconds that the launcher has for killing everything; it needs milliseconds


class Process(asyncio.SubprocessProtocol):
    """A command under ``jail.py``. What it wrote comes from ``next``, its exit code from ``wait``.

    Whoever starts one awaits ``end``, after which nothing of it is left.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._outputs: list[_Output] = []
        self._pieces: deque[Output] = deque()
        self._held = 0
        self._news = asyncio.Event()
        self._timers: list[asyncio.TimerHandle] = []
        self._killed = False
        self.timed_out = False

    @classmethod
    async def start(cls, order: dict[str, Any], stdin: bytes, timeout_s: float | None) -> Self:
        with ExitStack() as opened:
            given = _spooled(stdin, opened)
            # Pipes of our own: uvloop would make sockets, and a program could not open its /dev/stderr.
            pipes = [_pipe(opened), _pipe(opened)]
            transport, process = await asyncio.get_running_loop().subprocess_exec(
                cls,
                *(sys.executable, "-I", "-S", jail.__file__),
                stdin=asyncio.subprocess.PIPE,
                stdout=pipes[0][1],
                stderr=pipes[1][1],
                pass_fds=() if given is None else (given,),
                env={},
                start_new_session=True,
            )
            try:
                await process._begin(transport, [read for read, _ in pipes])  # noqa: SLF001 - its own
            except BaseException:
                transport.close()
                raise
        process._order(order | {"stdin": given}, timeout_s)  # noqa: SLF001
        return process

    async def next(self) -> Output | None:
        """The next piece in the order in which they came; None when all is written."""
        while not self._pieces and self._is_written_to():
            self._news.clear()
            await self._news.wait()
        if not self._pieces:
            return None
        piece = self._pieces.popleft()
        self._held -= len(piece.data)
        if self._held < _HELD:
            self._let(reading=True)
        return piece

    async def wait(self) -> int:
        while (code := self._transport.get_returncode()) is None:
            self._news.clear()
            await self._news.wait()
        return code if code >= 0 else 128 - code

    def kill(self) -> None:
        """Kill the command and all that it started. What it wrote and was not read is dropped."""
        if not self._killed:
            self._killed = True
            if not self._tether.is_closing():
                self._tether.abort()
            self._timers.append(self._loop.call_later(_GRACE, self._force))
            self._let(reading=True)

    async def end(self) -> None:
        """Return when nothing of it is left."""
        self.kill()
        try:
            await self.wait()
        finally:
            for timer in self._timers:
                timer.cancel()
            self._close_outputs()
            self._transport.close()

    def process_exited(self) -> None:
        if (self._transport.get_returncode() or 0) < 0:
            # Somebody killed the launcher: what it could not kill may keep the pipes open for ever.
            self._close_outputs()
        self._news.set()

    def received(self, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        """Called by its pipes."""
        if self._killed:
            return
        self._pieces.append(Output(stream, data))
        self._held += len(data)
        if self._held >= _HELD:
            self._let(reading=False)
        self._news.set()

    def closed(self) -> None:
        """Called by its pipes."""
        self._news.set()

    async def _begin(self, transport: asyncio.SubprocessTransport, pipes: list[int]) -> None:
        self._transport = transport
        self._tether = cast("asyncio.WriteTransport", transport.get_pipe_transport(0))
        streams: tuple[Literal["stdout", "stderr"], ...] = ("stdout", "stderr")
        self._outputs = [_Output(self, stream) for stream in streams]
        for output, pipe in zip(self._outputs, pipes, strict=True):
            await self._loop.connect_read_pipe(output.itself, _reader(pipe))

    def _order(self, order: dict[str, Any], timeout_s: float | None) -> None:
        self._tether.write(marshal.dumps(order))
        if timeout_s is not None:
            self._timers.append(self._loop.call_later(timeout_s, self._time_out))

    def _time_out(self) -> None:
        if self._transport.get_returncode() is None:
            self.timed_out = True
            self.kill()

    def _force(self) -> None:
        self._transport.kill()
        self._close_outputs()

    def _is_written_to(self) -> bool:
        return any(output.open for output in self._outputs)

    def _let(self, *, reading: bool) -> None:
        for output in self._outputs:
            output.let(reading=reading)

    def _close_outputs(self) -> None:
        for output in self._outputs:
            output.close()


class _Output(asyncio.Protocol):
    """One of the two pipes that a program writes to."""

    def __init__(self, process: Process, stream: Literal["stdout", "stderr"]) -> None:
        self._process = process
        self._stream: Literal["stdout", "stderr"] = stream
        self._transport: asyncio.ReadTransport | None = None
        self._reading = True
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.ReadTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._process.received(self._stream, data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.open = False
        self._process.closed()

    def itself(self) -> "_Output":
        return self

    def let(self, *, reading: bool) -> None:
        if self._transport is None or not self.open or reading == self._reading:
            return
        self._reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _reader(pipe: int) -> BinaryIO:
    """Closed by the transport."""
    return cast("BinaryIO", os.fdopen(os.dup(pipe), "rb", buffering=0))


def _pipe(opened: ExitStack) -> tuple[int, int]:
    read, write = os.pipe()
    opened.callback(os.close, read)
    opened.callback(os.close, write)
    return read, write


def _spooled(stdin: bytes, opened: ExitStack) -> int | None:
    """A file without a name, so that nobody has to feed the program."""
    if not stdin:
        return None
    if hasattr(os, "memfd_create"):
        file = os.fdopen(os.memfd_create("stdin"), "w+b", buffering=0)
    else:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    opened.enter_context(file)
    left = memoryview(stdin)
    while left:
        left = left[file.write(left) :]
    file.seek(0)
    return file.fileno()
