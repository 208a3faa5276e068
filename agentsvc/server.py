"""The work of ``agentsvc serve``: HTTP in several processes, by Granian."""

import math
import os
import signal
from collections.abc import Callable

from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels

from agentsvc.processes import CLOSING_S
from agentsvc.settings import RUNTIME, Settings

APP = "agentsvc.app:create_from_environment"

_ACCEPT_QUEUE = 4096


def serve(settings: Settings, address: str, said: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``said`` is called when the port is bound and the processes are about to start.

    They find the settings in one variable, which they take out.
    """
    os.environ[RUNTIME] = settings.for_runtime()
    server = Granian(
        APP,
        factory=True,
        address=address,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        backlog=_ACCEPT_QUEUE,
        backpressure=settings.max_connections,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=math.ceil(settings.drain_s) + CLOSING_S,
        process_name="agentsvc",
        log_level=LogLevels.warning,
        # Its lines go where all others go.
        log_dictconfig={
            "formatters": {},
            "handlers": {},
            "loggers": {"_granian": {"propagate": True}, "granian.access": {"propagate": True}},
        },
    )
    os.register_at_fork(after_in_child=_heed_signals)
    server.on_startup(said)
    server.serve()


def _heed_signals() -> None:
    """Until it has handlers of its own, a worker would hand signals to those of its parent, where nobody hears them."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
