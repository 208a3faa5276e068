"""The service as a plugin: everything it brings lives under one prefix and leaves the app around it as it was."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version
from typing import Any, cast

from litestar import Controller, Litestar, Router
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.openapi.spec import Components
from litestar.plugins import InitPlugin
from litestar.types import Middleware

from agentsvc.agent.workspace import WorkspaceManagerBase
from agentsvc.bus.bus import MessageBus
from agentsvc.domain.errors import Unavailable
from agentsvc.http import problems
from agentsvc.http.agents import AgentController, AgentSchemaController
from agentsvc.http.approvals import ApprovalController
from agentsvc.http.attempts import attempt
from agentsvc.http.bodies import Body, HeardOut
from agentsvc.http.chat import ChatController
from agentsvc.http.credentials import CredentialController, CredentialSchemaController
from agentsvc.http.documents import add_discriminators
from agentsvc.http.health import HealthController
from agentsvc.http.identity import HEADER, Auth, Identity, user_id
from agentsvc.http.models import ModelController
from agentsvc.http.parameters import expected_version
from agentsvc.http.request_ids import RequestIds, Signature
from agentsvc.http.runs import RunController
from agentsvc.http.sessions import SessionController
from agentsvc.http.stream import StreamController
from agentsvc.models.credentials import CredentialBase
from agentsvc.runs.prepare import MiddlewareFactory, ToolFactory
from agentsvc.settings import Settings
from agentsvc.storage.store import StorageBase
from agentsvc.wiring import Given, Parts, open_parts

_PUBLIC: Sequence[type[Controller]] = (
    HealthController,
    ModelController,
    AgentSchemaController,
    CredentialSchemaController,
)
_OWNED: Sequence[type[Controller]] = (
    AgentController,
    ApprovalController,
    ChatController,
    CredentialController,
    RunController,
    SessionController,
    StreamController,
)
_SERVICES = (
    "agents",
    "approvals",
    "chat",
    "credentials",
    "health",
    "messages",
    "models",
    "once",
    "runs",
    "sessions",
    "streams",
)


class AgentServicePlugin(InitPlugin):
    """``Litestar(plugins=[AgentServicePlugin(prefix="/agents-service")])``.

    ``extra_agent_tools`` and ``extra_agent_middlewares`` are async functions of user, agent and session id; the former
    may also give groups and sources of tools. ``extra_middlewares`` are Litestar's and see the requests below the
    prefix. ``auth`` says who sends a request. What is not given is made from the settings, and the settings from the
    environment.
    """

    def __init__(
        self,
        storage: StorageBase | None = None,
        message_bus: MessageBus | None = None,
        workspace_manager: WorkspaceManagerBase | None = None,
        *,
        prefix: str = "/agentsvc",
        extra_credentials: Sequence[type[CredentialBase]] = (),
        extra_middlewares: Sequence[Middleware] = (),
        extra_agent_middlewares: MiddlewareFactory | None = None,
        extra_agent_tools: ToolFactory | None = None,
        auth: Auth = HEADER,
        settings: Settings | None = None,
    ) -> None:
        self.prefix = "/" + prefix.strip("/")
        self._given = Given(
            storage=storage,
            bus=message_bus,
            workspaces=workspace_manager,
            credentials=extra_credentials,
            tools=extra_agent_tools,
            middlewares=extra_agent_middlewares,
        )
        self._middlewares = list(extra_middlewares)
        self._auth = auth
        self._settings = settings or Settings.from_env(os.environ)
        self._parts: Parts | None = None

    @property
    def parts(self) -> Parts:
        """What the service is made of, for the app around it, while its lifespan lasts. Raises Unavailable."""
        if self._parts is None:
            raise Unavailable("The service is not started: nobody has entered the lifespan of its app.")
        return self._parts

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.route_handlers.append(self._router())
        cast("Any", app_config).lifespan.append(self._lifespan)
        app_config.before_send.append(Signature(self.prefix))
        if app_config.openapi_config is not None:
            self._document(app_config)
        return app_config

    def _router(self) -> Router:
        owned = Router(
            "/",
            route_handlers=_OWNED,
            middleware=[Identity(self._auth)],
            security=[{self._auth.name: []}] if self._auth.scheme else None,
        )
        return Router(
            self.prefix,
            route_handlers=[*_PUBLIC, owned],
            dependencies={
                **{name: Provide(self._service(name), sync_to_thread=False) for name in _SERVICES},
                "user_id": Provide(user_id, sync_to_thread=False),
                "attempt": Provide(attempt),
                "expected_version": Provide(expected_version, sync_to_thread=False),
            },
            exception_handlers=problems.HANDLERS,
            middleware=[RequestIds(), *self._middlewares],
            request_class=HeardOut,
            request_max_body_size=self._settings.max_body,
            dto=Body,
            return_dto=None,
        )

    def _service(self, name: str) -> Callable[[], Any]:
        def service() -> Any:
            return getattr(self.parts, name)

        return service

    @asynccontextmanager
    async def _lifespan(self, _: Litestar) -> AsyncGenerator[None]:
        async with open_parts(self._settings, self._given, version=version("agentsvc")) as parts:
            with on_signal(parts.drain):
                self._parts = parts
                try:
                    yield
                finally:
                    self._parts = None

    def _document(self, app_config: AppConfig) -> None:
        app_config.on_startup.append(lambda app: add_discriminators(app.openapi_schema, self.prefix))
        if app_config.openapi_config is not None and self._auth.scheme is not None:
            known = app_config.openapi_config.components
            ours = Components(security_schemes={self._auth.name: self._auth.scheme})
            app_config.openapi_config.components = [*(known if isinstance(known, list) else [known]), ours]


@contextmanager
def on_signal(drain: Callable[[], None]) -> Generator[None]:
    """Drain when the process is told to stop, beside what the server does then.

    Granian waits for ever for open responses: a draining process ends its streams itself, and clients go on elsewhere.
    Servers hear signals through the loop or through a handler, which ours calls in its turn. Without either nothing has
    to be done: the signal ends the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def hear(number: int, frame: Any) -> None:
        loop.call_soon_threadsafe(drain)
        if not loop.is_running():  # between start-up and serving nobody else hears it: said again when it runs
            loop.call_soon_threadsafe(os.kill, os.getpid(), number)
        previous = before[signal.Signals(number)]
        if callable(previous):
            previous(number, frame)

    ours = [number for number, handler in before.items() if callable(handler)]
    for number in ours:
        signal.signal(number, hear)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
