"""Where every part is made, opened in order, and closed in the reverse one."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from agentsvc.agent.workspace import WorkspaceManagerBase
from agentsvc.bus.bus import MessageBus, RedisMessageBus
from agentsvc.keyfile import load_or_create_keys
from agentsvc.kv.embedded import EmbeddedRedis
from agentsvc.models.addresses import AddressGuard
from agentsvc.models.catalog import BUILTIN, ModelCatalog
from agentsvc.models.credentials import CredentialBase, CredentialFactory, ModelContext
from agentsvc.models.transport import Transport
from agentsvc.runs.prepare import MiddlewareFactory, Prepare, ToolFactory
from agentsvc.runs.workplace import Workplaces
from agentsvc.services.agents import Agents
from agentsvc.services.approvals import Approvals
from agentsvc.services.chat import Chat
from agentsvc.services.credentials import Credentials
from agentsvc.services.health import HealthChecks
from agentsvc.services.messages import Messages
from agentsvc.services.models import Models
from agentsvc.services.once import Once
from agentsvc.services.removal import Removal
from agentsvc.services.runs import Runs
from agentsvc.services.sessions import Sessions
from agentsvc.services.streams import Streams
from agentsvc.settings import Settings, check_keys
from agentsvc.storage.store import RedisStorage, StorageBase
from agentsvc.storage.vault import Keyring, Vault
from agentsvc.variables import VARIABLES
from agentsvc.workers.dispatcher import Dispatcher
from agentsvc.workers.expiry import Expiry
from agentsvc.workers.janitor import Janitor
from agentsvc.workers.retention import Retention
from agentsvc.workers.supervisor import Supervisor
from agentsvc.workspaces.manager import LocalWorkspaceManager
from agentsvc.workspaces.sandbox import choose_sandbox

log = logging.getLogger(__name__)

_HAND_OVER_S = 2.0  # what a dispatcher takes at most to hand its runs over

Loops = Mapping[str, Callable[[asyncio.Event], Awaitable[None]]]


@dataclass(frozen=True, kw_only=True)
class Given:
    """What an app brings with it; what is left out is made from the settings."""

    storage: StorageBase | None = None
    bus: MessageBus | None = None
    workspaces: WorkspaceManagerBase | None = None
    credentials: Sequence[type[CredentialBase]] = ()
    tools: ToolFactory | None = None
    middlewares: MiddlewareFactory | None = None


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything that is open, and the work that goes on."""

    storage: StorageBase
    bus: MessageBus
    agents: Agents
    approvals: Approvals
    chat: Chat
    credentials: Credentials
    health: HealthChecks
    messages: Messages
    models: Models
    once: Once
    runs: Runs
    sessions: Sessions
    streams: Streams
    supervisor: Supervisor
    draining: asyncio.Event

    def drain(self) -> None:
        """Begin to stop: no more requests, no more runs, and the streams end."""
        self.draining.set()
        self.supervisor.stop.set()
        self.bus.hub.drain()


@asynccontextmanager
async def open_parts(settings: Settings, given: Given, *, version: str) -> AsyncGenerator[Parts]:
    """Everything, at work. At the end runs may finish, or go to another worker when that takes too long."""
    async with AsyncExitStack() as stack:
        settings = await _complete(settings, given, stack)
        storage = await stack.enter_async_context(given.storage or RedisStorage(settings.redis_url or ""))
        bus = given.bus or _bus(settings)
        if isinstance(bus, AbstractAsyncContextManager):
            await stack.enter_async_context(bus)
        transport = await stack.enter_async_context(Transport(AddressGuard(settings.allow_private.get("model", ()))))
        factory = CredentialFactory(*BUILTIN, *given.credentials)
        catalog = ModelCatalog(factory, ModelContext(transport=transport))
        removal = Removal(storage, bus)
        vault = Vault(Keyring(settings.secret_keys))
        sessions, draining = Sessions(storage, bus, removal, catalog), asyncio.Event()
        chat = Chat(bus, sessions)
        approvals = Approvals(storage, bus, chat)
        workplaces = Workplaces(given.workspaces or await asyncio.to_thread(_workspaces, settings))
        prepare = Prepare(storage, vault, factory, catalog, approvals, workplaces, given.tools, given.middlewares)
        supervisor = Supervisor(_loops(settings, bus, prepare, removal, approvals, draining=draining))
        parts = Parts(
            storage=storage,
            bus=bus,
            agents=Agents(storage, removal),
            approvals=approvals,
            chat=chat,
            credentials=Credentials(storage, vault, factory),
            health=HealthChecks(storage, bus, draining, supervisor.failing, version),
            messages=Messages(sessions, bus),
            models=Models(catalog),
            once=Once(storage),
            runs=Runs(storage, bus),
            sessions=sessions,
            streams=Streams(bus, sessions),
            supervisor=supervisor,
            draining=draining,
        )
        async with _at_work(parts):
            yield parts


@asynccontextmanager
async def _at_work(parts: Parts) -> AsyncGenerator[None]:
    """The loops run beside what is within; at the end they come to theirs before anything is closed."""
    loops = asyncio.create_task(parts.supervisor.serve(), name="supervisor")
    try:
        yield
    finally:
        parts.drain()
        await loops


def _workspaces(settings: Settings) -> WorkspaceManagerBase | None:
    if settings.workspaces != "local":
        return None
    sandbox = choose_sandbox(network=settings.workspace_network)
    if not sandbox.confined:
        log.warning("commands cannot be confined on this machine, so agents have no shell: install bubblewrap")
    return LocalWorkspaceManager(Path(settings.data_dir) / "workspaces", sandbox)


def _bus(settings: Settings) -> MessageBus:
    return RedisMessageBus(
        settings.redis_url or "",
        lease_s=settings.lease_s,
        log_keep=settings.log_keep,
        run_keep_s=settings.run_keep_s,
        heartbeat_s=settings.heartbeat_s,
        shards=settings.queue_shards,
        max_queued=settings.max_queued,
        max_runs_per_user=settings.max_runs_per_user,
    )


def _loops(
    settings: Settings,
    bus: MessageBus,
    prepare: Prepare,
    removal: Removal,
    approvals: Approvals,
    *,
    draining: asyncio.Event,
) -> Loops:
    """Everything that goes on in this process without being asked; nothing where others carry the runs out."""
    if settings.no_worker:
        return {}
    dispatcher = Dispatcher(
        bus,
        prepare,
        limit=settings.max_runs,
        lease_s=settings.lease_s,
        grace_s=grace_of(settings.drain_s),
        draining=draining,
    )
    retention = Retention(bus, removal, settings.session_keep_s)
    return {
        **{f"claims of shard {shard}": partial(dispatcher.claim, shard) for shard in range(bus.queue.shards)},
        "claims of silent workers": dispatcher.reclaim,
        "renewal of leases": dispatcher.renew,
        "end of runs": dispatcher.drain,
        "janitor": Janitor(bus, removal).serve,
        "expiry of approvals": Expiry(bus, approvals).serve,
        **({"retention of sessions": retention.serve} if settings.session_keep_s else {}),
    }


def grace_of(drain_s: float) -> float:
    """The seconds that runs have to end by themselves, so that handing the others over still fits into ``drain_s``."""
    return max(drain_s - _HAND_OVER_S, drain_s / 2)


async def _complete(settings: Settings, given: Given, stack: AsyncExitStack) -> Settings:
    """With a Redis and keys: the operator's own, else an embedded one that lives as long as the parts."""
    check_keys(settings, brought=given.storage is not None or given.bus is not None)
    data_dir = Path(settings.data_dir)
    if settings.redis_url is None and (given.storage is None or given.bus is None):
        server = EmbeddedRedis(data_dir)
        stack.push_async_callback(asyncio.to_thread, server.stop)
        await asyncio.to_thread(server.start)
        settings = replace(settings, redis_url=server.url)
    if not settings.secret_keys:
        keys = VARIABLES["secret_keys"].read(load_or_create_keys(data_dir))
        settings = replace(settings, secret_keys=keys)
    return settings
