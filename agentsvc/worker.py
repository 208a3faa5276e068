"""The work of ``agentsvc worker``: every part but HTTP, until the process is told to stop."""

import asyncio
import signal
from importlib.metadata import version

import uvloop

from agentsvc import telemetry
from agentsvc.processes import hear_signals, spare_collections
from agentsvc.settings import Settings
from agentsvc.wiring import Given, open_parts


def work(settings: Settings) -> None:
    """Carry out runs until SIGTERM or SIGINT. Exits with 1 when the parts cannot be opened."""
    telemetry.configure(settings.log.level, settings.log.format)  # a process that was not forked knows nothing of it
    spare_collections()
    try:
        uvloop.run(_work(settings))
    except ConnectionError as error:
        raise SystemExit(f"the worker cannot work: {error}") from error


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    hear_signals()
    async with open_parts(settings, Given(), version=version("agentsvc")):
        await stop.wait()
