"""What hands the live events of sessions to the subscribers of this process, over one connection to each server."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from agentsvc.bus import keys
from agentsvc.bus.subscription import Batch, Subscription
from agentsvc.bus.workers import DRAIN
from agentsvc.domain.ids import SessionId
from agentsvc.kv.client import Redis
from agentsvc.kv.errors import Unreachable

log = logging.getLogger(__name__)

_PATIENCE = 4.0  # seconds that a subscriber waits for Redis


class _Channel:
    """The subscribers of one session; ``open`` is done when Redis has confirmed."""

    def __init__(self) -> None:
        self.subscriptions: set[Subscription] = set()
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Hub:
    """``worker`` names the channel on which this process is told to stop a run or to drain; ``limit`` is bytes a
    subscriber.

    ``on_stop`` is called with the session that is meant, ``on_drain`` when all runs are to be handed over, and
    ``on_silence`` when such a signal may have been missed.
    """

    def __init__(self, redis: Redis, worker: str, heartbeat_s: float, limit: int = 1 << 20) -> None:
        self._redis = redis
        self._own = keys.worker_channel(worker).encode()
        self._heartbeat_s = heartbeat_s
        self._limit = limit
        self._channels: dict[bytes, _Channel] = {}
        self._changing = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False
        self.on_stop: Callable[[SessionId], None] = lambda _: None
        self.on_drain: Callable[[], None] = lambda: None
        self.on_silence: Callable[[], None] = lambda: None
        self._heard_once = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether all live events are heard."""
        return self._subscriber.connected

    async def open(self) -> None:
        """Begin to listen. Raises Unreachable when Redis does not confirm it in time."""
        self._subscriber = self._redis.subscriber(self._listen)
        await self._subscriber.subscribe(self._own, sharded=False)
        self._tasks = [
            asyncio.create_task(self._subscriber.listen(), name="hub"),
            asyncio.create_task(self._beat(), name="heartbeats"),
        ]
        try:
            await asyncio.wait_for(self._heard_once.wait(), _PATIENCE)
        except TimeoutError:
            await self.close()
            raise Unreachable(f"live events cannot be heard: {self._subscriber.trouble}") from None

    async def close(self) -> None:
        self.drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drain(self) -> None:
        """End every subscription of this process, also those to come."""
        self._closed = True
        for channel in self._channels.values():
            for subscription in channel.subscriptions:
                subscription.end()

    @asynccontextmanager
    async def join(self, session_id: SessionId) -> AsyncGenerator[Subscription]:
        """Hear a session from now on. Raises Unreachable when Redis does not confirm it in time."""
        name = keys.of_session(session_id).channel.encode()
        subscription = Subscription(self._limit)
        try:
            await self._enter(name, subscription)
            yield subscription
        finally:
            await asyncio.shield(self._leave(name, subscription))

    async def _enter(self, name: bytes, subscription: Subscription) -> None:
        async with self._changing:
            channel = self._channels.get(name)
            if channel is None:
                channel = self._channels[name] = _Channel()
                await self._subscriber.subscribe(name)
            channel.subscriptions.add(subscription)
            if self._closed:
                subscription.end()
        try:
            await asyncio.wait_for(asyncio.shield(channel.open), _PATIENCE)
        except TimeoutError:
            raise Unreachable("live events are interrupted") from None

    async def _leave(self, name: bytes, subscription: Subscription) -> None:
        async with self._changing:
            channel = self._channels.get(name)
            if channel is None:
                return
            channel.subscriptions.discard(subscription)
            if not channel.subscriptions:
                del self._channels[name]
                await self._subscriber.unsubscribe(name)

    def _listen(self, kind: bytes, name: bytes, payload: bytes) -> None:
        if kind == b"message":
            try:
                self._hear(name, payload)
            except ValueError:
                log.exception("an unreadable message on %s", name.decode())
        elif kind == b"subscribe":
            self._heard_once.set()
            self._subscribed(name)

    def _hear(self, name: bytes, payload: bytes) -> None:
        if name == self._own:
            self._be_told(payload)
            return
        channel = self._channels.get(name)
        if channel is None:
            return
        if payload == b"end":
            for subscription in channel.subscriptions:
                subscription.end()
            return
        first, *events = payload.split(b"\n")
        batch = Batch(int(first), events)
        for subscription in channel.subscriptions:
            subscription.put(batch)

    def _be_told(self, payload: bytes) -> None:
        if payload == DRAIN:
            self.on_drain()
        else:
            self.on_stop(SessionId(payload.decode()))

    def _subscribed(self, name: bytes) -> None:
        """The channel is heard from now on; a second confirmation says that it was not for a while."""
        if name == self._own:
            self.on_silence()
        channel = self._channels.get(name)
        if channel is None:
            return
        if not channel.open.done():
            channel.open.set_result(None)
            return
        for subscription in channel.subscriptions:
            subscription.lose()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            await self._subscriber.check()
            for channel in self._channels.values():
                for subscription in channel.subscriptions:
                    subscription.beat()
