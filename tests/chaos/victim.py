"""``agentsvc serve`` with tools that leave a trace, which can be told to die at one of its awaits on Redis.

    export VICTIM_MESSAGE=m1 VICTIM_DIES="after write 2" VICTIM_TRACE=trace VICTIM_TOOLS=tools
    python -m tests.chaos.victim serve …

With ``VICTIM_CLOCK`` its clock is so many seconds ahead, with ``VICTIM_TAKES`` its tools take so many seconds.

From the moment at which the message with that id is accepted until its run has ended, or the place is passed that
``VICTIM_LAST`` names, each await on Redis is two places to die at: before the commands are sent, and after the replies
are here but nobody has seen them. A read that waits for requests changes nothing before its reply, so it is one place.
A script that the server does not know yet is sent again when it was refused: only then it is done.
A place is called by its command or script and by how often that came by. What was passed is in the trace, a line each.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

from redis.exceptions import ResponseError

from agentsvc import cli, server, telemetry
from agentsvc.agent.tool import ToolBase
from agentsvc.app import create_app
from agentsvc.domain import times
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.kv.client import Command, Redis
from agentsvc.kv.lane import Lane
from agentsvc.kv.scripts import SCRIPTS
from agentsvc.settings import Settings
from tests.fakes.tools import tools_that_write_to

# What goes on without anybody asking for it, at times of its own; and a note, which travels with what is accepted.
_UNCOUNTED = {"XAUTOCLAIM", "XCLAIM", "renew", "forget", "PING", "overdue", "due", "note", "beat", "SCRIPT"}

LAST = "after done 1"
"""The end of the first run."""


class Countdown:
    """Notes the places that are passed from ``message`` to ``last``, and dies at ``dies``."""

    def __init__(self, message: str, dies: str, last: str, trace: Path) -> None:
        self._message = message
        self._dies = dies
        self._last = last
        self._trace = trace
        self._armed = False
        self._passed: Counter[str] = Counter()

    def arm(self, commands: Sequence[Command]) -> None:
        self._armed = self._armed or any(self._message in command for command in commands)

    def pass_by(self, moment: str, names: Sequence[str]) -> None:
        for name in dict.fromkeys(names):
            if self._armed and name not in _UNCOUNTED:
                self._pass(f"{moment} {name}")

    def _pass(self, kind: str) -> None:
        self._passed[kind] += 1
        place = f"{kind} {self._passed[kind]}"
        with self._trace.open("a") as trace:
            trace.write(f"{place}\n")
        if place == self._dies:
            os.killpg(0, signal.SIGKILL)
        self._armed = place != self._last


def instrument(countdown: Countdown) -> None:
    """Let every await on Redis pass by the countdown."""
    exchange, wait = Lane.exchange, Redis.wait

    async def counted_exchange(self: Lane, commands: list[Command]) -> list[Any]:
        countdown.arm(commands)
        names = [_name(command) for command in commands]
        countdown.pass_by("before", names)
        replies = await exchange(self, commands)
        done = [name for name, reply in zip(names, replies, strict=True) if not isinstance(reply, ResponseError)]
        countdown.pass_by("after", done)
        return replies

    async def counted_wait(self: Redis, *command: Any, within: float) -> Any:
        reply = await wait(self, *command, within=within)
        if reply:
            countdown.pass_by("after", [str(command[0])])
        return reply

    setattr(Lane, "exchange", counted_exchange)  # noqa: B010 - to a type checker these are methods, not variables
    setattr(Redis, "wait", counted_wait)  # noqa: B010


def _name(command: Command) -> str:
    """The command, or the script that it runs."""
    return SCRIPTS[str(command[1])].name if command[0] == "EVALSHA" else str(command[0])


def shift(seconds: float) -> None:
    """Put the clock of this process wrong."""
    seconds_now, nanoseconds_now = time.time, time.time_ns

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + timedelta(seconds=seconds)

    setattr(time, "time", lambda: seconds_now() + seconds)  # noqa: B010
    setattr(time, "time_ns", lambda: nanoseconds_now() + int(seconds * 1e9))  # noqa: B010
    setattr(times, "datetime", Shifted)  # noqa: B010


def app() -> Any:
    """The app of each worker."""
    shift(float(os.environ.get("VICTIM_CLOCK", "0")))
    if "VICTIM_DIES" in os.environ:
        trace = Path(os.environ["VICTIM_TRACE"])
        last = os.environ.get("VICTIM_LAST", LAST)
        instrument(Countdown(os.environ["VICTIM_MESSAGE"], os.environ["VICTIM_DIES"], last, trace))
    settings = Settings.from_runtime(os.environ)
    telemetry.configure(settings.log.level, settings.log.format)
    takes = float(os.environ.get("VICTIM_TAKES") or 0)
    made = tools_that_write_to(Path(os.environ["VICTIM_TOOLS"]), takes=takes)

    async def tools(_: OwnerId, __: AgentId, ___: SessionId) -> Sequence[ToolBase]:
        return made

    return create_app(settings=settings, extra_agent_tools=tools)


if __name__ == "__main__":
    server.APP = "tests.chaos.victim:app"
    cli.main()
