"""Tools that write down each of their calls in a file, a line each."""

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from agentsvc.agent.tool import ToolBase, tool


def tools_that_write_to(trace: Path, *, takes: float = 0.0) -> Sequence[ToolBase]:
    """What writes and ends goes on for some time after it has written (seconds)."""

    def write(*words: str) -> None:
        with trace.open("a") as file:
            file.write(" ".join(words) + "\n")

    @tool(concurrent=False, always_allowed=True)
    async def once(mark: str) -> str:
        """May not be repeated."""
        write("once", mark)
        await asyncio.sleep(takes)
        return "done"

    @tool(concurrent=False, idempotent=True, always_allowed=True)
    async def again(mark: str) -> str:
        """May be repeated."""
        write("again", mark)
        await asyncio.sleep(takes)
        return "done"

    @tool(always_allowed=True)
    async def hang(mark: str) -> str:
        """Never ends; says in which process it hangs."""
        write("hang", mark, str(os.getpid()))
        await asyncio.Event().wait()
        return "never"

    @tool(concurrent=False, idempotent=True, always_allowed=True)
    async def poison(mark: str) -> str:
        """Kills whoever runs it."""
        write("poison", mark, str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
        return "never"

    @tool(concurrent=False)
    async def deploy(mark: str) -> str:
        """May not be repeated, and not run unasked."""
        write("deploy", mark)
        await asyncio.sleep(takes)
        return f"deployed {mark}"

    @tool(always_allowed=True)
    async def echo(text: str) -> str:
        """Gives what it is given."""
        return text

    @tool(external=True)
    async def camera(mark: str) -> None:
        """Takes a photograph, at the client."""

    return once, again, hang, poison, deploy, echo, camera


def lines(file: Path) -> list[str]:
    """What was written to it; nothing when it is not there."""
    return file.read_text().splitlines() if file.exists() else []
