"""The service as an app of its own: the plugin, mounted alone."""

import os
from collections.abc import Sequence
from importlib.metadata import version as installed

from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, ScalarRenderPlugin, SwaggerRenderPlugin
from litestar.types import Middleware

from agentsvc import telemetry
from agentsvc.agent.workspace import WorkspaceManagerBase
from agentsvc.bus.bus import MessageBus
from agentsvc.http import problems
from agentsvc.http.identity import HEADER, Auth
from agentsvc.models.credentials import CredentialBase
from agentsvc.plugin import AgentServicePlugin
from agentsvc.processes import spare_collections
from agentsvc.runs.prepare import MiddlewareFactory, ToolFactory
from agentsvc.settings import Settings
from agentsvc.storage.store import StorageBase


def create_app(
    storage: StorageBase | None = None,
    message_bus: MessageBus | None = None,
    workspace_manager: WorkspaceManagerBase | None = None,
    *,
    extra_credentials: Sequence[type[CredentialBase]] = (),
    extra_middlewares: Sequence[Middleware] = (),
    extra_agent_middlewares: MiddlewareFactory | None = None,
    extra_agent_tools: ToolFactory | None = None,
    auth: Auth = HEADER,
    settings: Settings | None = None,
    title: str = "agentsvc",
    version: str | None = None,
) -> Litestar:
    """An ASGI app; its lifespan opens everything. See ``AgentServicePlugin`` for what the arguments mean.

    Its document is at ``/schema/openapi.json``, to be read at ``/schema``.
    """
    plugin = AgentServicePlugin(
        storage,
        message_bus,
        workspace_manager,
        prefix="/",
        extra_credentials=extra_credentials,
        extra_middlewares=extra_middlewares,
        extra_agent_middlewares=extra_agent_middlewares,
        extra_agent_tools=extra_agent_tools,
        auth=auth,
        settings=settings,
    )
    return Litestar(
        plugins=[plugin],
        # Beside those of the plugin: no route, no method, no such host.
        exception_handlers=problems.HANDLERS,
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title=title,
            version=version or installed("agentsvc"),
            use_handler_docstrings=True,
            render_plugins=[ScalarRenderPlugin(), SwaggerRenderPlugin(), JsonRenderPlugin()],
        ),
    )


def create_from_environment() -> Litestar:
    """The app that ``agentsvc serve`` starts in each worker."""
    settings = Settings.from_runtime(os.environ)
    telemetry.configure(settings.log.level, settings.log.format)
    app = create_app(settings=settings)
    spare_collections()
    return app
