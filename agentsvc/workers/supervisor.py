"""What runs the loops of this process: each outlives its failures, and all stop when they are told to."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

log = logging.getLogger(__name__)

Loop = Callable[[asyncio.Event], Awaitable[None]]

_PAUSES = (0.1, 0.5, 2.0, 5.0)  # seconds before a failed loop starts again
_WELL = 3.0  # seconds after which a loop that has started again works


class Supervisor:
    """Starts loops and starts them again. A loop is an async function that returns when ``stop`` is set.

    ``failing`` says of each loop that does not work why.
    """

    def __init__(self, loops: Mapping[str, Loop]) -> None:
        self._loops = loops
        self.stop = asyncio.Event()
        self.failing: dict[str, str] = {}

    async def serve(self) -> None:
        """Until ``stop`` is set and every loop has come to its end."""
        async with asyncio.TaskGroup() as group:
            for name, loop in self._loops.items():
                group.create_task(self._keep_up(name, loop), name=name)

    async def _keep_up(self, name: str, loop: Loop) -> None:
        failures = 0
        while error := await self._failure(name, loop):
            failures = 1 if name not in self.failing else failures + 1
            self.failing[name] = str(error)
            known = isinstance(error, ConnectionError)  # its traceback would only say that Redis is away
            log.warning("%s: %s; it starts again", name, error, exc_info=None if known else error)
            await pause(self.stop, _PAUSES[min(failures, len(_PAUSES)) - 1])

    async def _failure(self, name: str, loop: Loop) -> Exception | None:
        """What ends the loop; None when it came to its end."""
        well = asyncio.get_running_loop().call_later(_WELL, self.failing.pop, name, None)
        try:
            await loop(self.stop)
        except Exception as error:  # noqa: BLE001 - a loop outlives everything
            return error
        finally:
            well.cancel()
        return None


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond the stop."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
