"""Health checks: whether the parts that every request needs really answer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from agentsvc.bus.bus import MessageBus
from agentsvc.domain.health import Condition, Health
from agentsvc.storage.store import StorageBase

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HealthChecks:
    """``draining`` is set when this process is to stop: it then gets no more requests.

    ``failing`` says of each loop of this process that does not work why. ``within`` is seconds.
    """

    storage: StorageBase
    bus: MessageBus
    draining: asyncio.Event
    failing: Mapping[str, str]
    version: str
    within: float = 1.5

    async def check(self) -> Health:
        storage, bus = await asyncio.gather(
            self._answers("storage", self.storage.ping), self._answers("message bus", self.bus.ping)
        )
        components: dict[str, Condition] = {
            "storage": storage,
            "message_bus": bus,
            "workers": "not_ready" if self.draining.is_set() or self.failing else "ok",
        }
        ok = all(condition == "ok" for condition in components.values())
        return Health(status="ok" if ok else "not_ready", version=self.version, components=components)

    async def _answers(self, name: str, ping: Callable[[], Awaitable[None]]) -> Condition:
        try:
            async with asyncio.timeout(self.within):
                await ping()
        except TimeoutError:
            log.warning("the %s is not ready: no answer in %s s", name, self.within)
        except ConnectionError as error:
            log.warning("the %s is not ready: %s", name, error)
        else:
            return "ok"
        return "not_ready"
