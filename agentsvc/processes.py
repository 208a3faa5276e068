"""Processes that do the same: kept up until this one is told to stop, which then stops them."""

import gc
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from types import FrameType

from agentsvc.kv.tether import end_with_parent

log = logging.getLogger(__name__)

CLOSING_S = 5
"""Seconds beyond ``drain_s`` until a process is killed: one that has drained still has its parts to close."""

_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_PAUSE = 1.0  # seconds before those that ended are replaced: what ends at its start does not busy the machine
# As Granian starts its workers, on which ``kv.tether`` relies: a forked child has this process as its parent.
_CONTEXT = multiprocessing.get_context("fork") if sys.platform == "linux" else multiprocessing.get_context("spawn")


def keep_up(count: int, work: Callable[[], None], within: float) -> bool:
    """Let ``count`` processes ``work`` until SIGTERM or SIGINT; says whether all came to their end then.

    Each is started with both signals held back, until it calls ``hear_signals``. One that ends earlier is replaced. One
    that has not ended ``within`` seconds of its SIGTERM is killed.
    """
    with _held_back():
        processes = [_start(work) for _ in range(count)]
        while signal.sigwait(_HEARD) == signal.SIGCHLD:
            processes = _kept_up(processes, work)
        for process in processes:
            process.terminate()
        return _ended(processes, time.monotonic() + within)


def hear_signals() -> None:
    """In a process of ``keep_up``, when it has handlers: what came before is heard now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)


@contextmanager
def _held_back() -> Generator[None]:
    """Signals wait until somebody asks for them, so none comes at a wrong moment."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    handler = signal.signal(signal.SIGCHLD, _ignore)  # some systems drop what nobody handles
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _ignore(number: int, frame: FrameType | None) -> None:
    """A handler that does nothing."""


def _start(work: Callable[[], None]) -> BaseProcess:
    process = _CONTEXT.Process(target=_begin, args=(work, os.getpid()), name="agentsvc worker")
    process.start()
    return process


def _begin(work: Callable[[], None], parent: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    end_with_parent(parent)
    work()


def _kept_up(processes: list[BaseProcess], work: Callable[[], None]) -> list[BaseProcess]:
    ended = [process for process in processes if not process.is_alive()]
    for process in ended:
        log.error("worker process %s ended with code %s and is replaced", process.pid, process.exitcode)
    if ended:
        time.sleep(_PAUSE)
    return [process if process not in ended else _start(work) for process in processes]


def _ended(processes: list[BaseProcess], until: float) -> bool:
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        if process.is_alive():
            log.error("worker process %s did not end in time and is killed", process.pid)
            process.kill()
            process.join()
    return all(process.exitcode == 0 for process in processes)


def spare_collections() -> None:
    """Collect garbage less often, and never look through what was there before the first request.

    Under load a fifth of a worker's time went into collections that found next to nothing: what is made for a token or
    a request is gone without them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
