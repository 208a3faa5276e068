"""An agent service: it runs LLM agents for many users and keeps its promises while workers die and deploys roll."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Where each public name lives. They are imported when they are asked for, so that a worker starts with what it needs.
_HOMES = {
    "AgentMiddleware": "agentsvc.agent.agent",
    "AgentServicePlugin": "agentsvc.plugin",
    "Auth": "agentsvc.http.identity",
    "BackendBase": "agentsvc.agent.backend",
    "ChatModelBase": "agentsvc.agent.model",
    "CredentialBase": "agentsvc.models.credentials",
    "CredentialFactory": "agentsvc.models.credentials",
    "Examination": "agentsvc.agent.permissions",
    "LocalWorkspaceManager": "agentsvc.workspaces.manager",
    "MessageBus": "agentsvc.bus.bus",
    "ModelCard": "agentsvc.domain.models",
    "PermissionContext": "agentsvc.domain.permissions",
    "PermissionRule": "agentsvc.domain.permissions",
    "Reason": "agentsvc.domain.permissions",
    "RedisMessageBus": "agentsvc.bus.bus",
    "RedisStorage": "agentsvc.storage.store",
    "Sandbox": "agentsvc.workspaces.sandbox",
    "Secret": "agentsvc.models.credentials",
    "Settings": "agentsvc.settings",
    "Skill": "agentsvc.agent.skills",
    "SkillLoaderBase": "agentsvc.agent.skills",
    "StorageBase": "agentsvc.storage.store",
    "ToolBase": "agentsvc.agent.tool",
    "ToolChunk": "agentsvc.agent.tool",
    "ToolGroup": "agentsvc.agent.groups",
    "ToolMiddlewareBase": "agentsvc.agent.tool",
    "ToolSource": "agentsvc.agent.sources",
    "Toolkit": "agentsvc.agent.toolkit",
    "WorkspaceBase": "agentsvc.agent.workspace",
    "WorkspaceManagerBase": "agentsvc.agent.workspace",
    "choose_sandbox": "agentsvc.workspaces.sandbox",
    "create_app": "agentsvc.app",
    "tool": "agentsvc.agent.tool",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*_HOMES, "__version__"]
