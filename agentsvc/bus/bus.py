"""The message bus: everything that is happening now."""

import os
import socket
from types import TracebackType
from typing import Self

from agentsvc.bus import keys
from agentsvc.bus.expiry import Expiring
from agentsvc.bus.heads import Heads
from agentsvc.bus.hub import Hub
from agentsvc.bus.inbox import Inbox
from agentsvc.bus.leases import Leases
from agentsvc.bus.log import Log
from agentsvc.bus.notes import Notes
from agentsvc.bus.queue import Queue
from agentsvc.bus.retention import Retention
from agentsvc.bus.runs import Runs
from agentsvc.bus.states import States
from agentsvc.bus.transcripts import Transcripts
from agentsvc.bus.workers import Workers
from agentsvc.domain.ids import new_id
from agentsvc.kv.client import Redis
from agentsvc.kv.probe import probe

_MOST_WAITING = 1000  # entries of one inbox


class MessageBus:
    """What a bus is made of: each part is one way in which a payload ends.

    ``inbox`` until taken in, ``queue`` until the run has ended, ``log`` until trimmed by whole replies, ``leases``
    until silent, ``hub`` at once, ``runs`` some time after their end, ``heads``, ``states`` and ``transcripts`` with
    their session, ``removals`` when carried out, ``expiring`` when answered, ``workers`` when
    they fall silent; ``retention`` ends sessions that nobody uses.
    """

    worker: str
    expiring: Expiring
    heads: Heads
    inbox: Inbox
    queue: Queue
    leases: Leases
    log: Log
    runs: Runs
    states: States
    transcripts: Transcripts
    hub: Hub
    removals: Notes
    retention: Retention
    workers: Workers

    async def ping(self) -> None:
        """Raises ConnectionError, with the reason, when the bus does not work or takes nothing new."""
        raise ConnectionError("this bus is not open")


class RedisMessageBus(MessageBus):
    """The bus on Redis ≥ 7.0 or Valkey ≥ 7.2, opened with ``async with``.

    ``lease_s`` is how long a worker that falls silent keeps its sessions, ``log_keep`` how many events a session keeps
    (its newest reply counts in, but is never cut), ``heartbeat_s`` how often an idle stream hears a comment,
    ``run_keep_s`` how long a run is kept that has ended. ``max_queued`` and ``max_runs_per_user`` are ``Queue``'s.
    """

    def __init__(
        self,
        url: str,
        *,
        lease_s: float = 10.0,
        log_keep: int = 10_000,
        heartbeat_s: float = 15.0,
        shards: int = 1,
        run_keep_s: float = 7 * 86_400.0,
        max_queued: int = 10_000,
        max_runs_per_user: int = 0,
    ) -> None:
        self.url = url
        self._redis = Redis(url)
        self._bulk = Redis(url)  # long answers hold up nobody's first token
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{new_id()[-8:]}"
        self.heads = Heads(self._redis)
        self.inbox = Inbox(self._redis, shards, _MOST_WAITING)
        self.queue = Queue(self._redis, shards, max_queued=max_queued, max_runs_per_user=max_runs_per_user)
        self.leases = Leases(self._redis, lease_s, log_keep, run_keep_s=run_keep_s)
        self.log = Log(self._bulk)
        self.runs = Runs(self._redis)
        self.transcripts = Transcripts(self._bulk)
        self.states = States(self._redis)
        self.expiring = Expiring(self._redis, shards)
        self.removals = Notes(self._redis, keys.removing(0))
        self.retention = Retention(self._redis)
        self.workers = Workers(self._redis, lease_s)
        self._heartbeat_s = heartbeat_s
        self.lease_s = lease_s

    async def __aenter__(self) -> Self:
        await self._redis.__aenter__()
        await self._bulk.__aenter__()
        await self.queue.open()
        self.hub = Hub(self._redis, self.worker, self._heartbeat_s)
        await self.hub.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hub.close()
        await self._bulk.__aexit__(kind, error, trace)
        await self._redis.__aexit__(kind, error, trace)

    async def ping(self) -> None:
        await probe(self._redis)
        if not self.hub.connected:
            raise ConnectionError("live events are interrupted")
