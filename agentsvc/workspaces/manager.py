"""Local workspaces: a directory for each agent of each owner."""

import asyncio
import hashlib
import logging
import os
import string
from collections import OrderedDict
from pathlib import Path

from agentsvc.agent.workspace import WorkspaceBase, WorkspaceManagerBase
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.workspaces.local import PRIVATE, LocalBackend
from agentsvc.workspaces.sandbox import Sandbox, choose_sandbox

log = logging.getLogger(__name__)

_PLAIN = frozenset(string.ascii_lowercase + string.digits + "-_")
_LONGEST = 100
_KEPT = 256  # workspaces that are kept ready

_INSTRUCTIONS = """You have a workspace of your own: the directory {root}.
Relative paths start there, commands run there, and only files in it can be reached.
It is kept between conversations, and others with you may use it at the same time: leave alone what you did not make.
What is in {private} belongs to the system; temporary files go to $TMPDIR."""


class LocalWorkspace(WorkspaceBase):
    def __init__(self, backend: LocalBackend) -> None:
        self.backend = backend
        self.instructions = _INSTRUCTIONS.format(root=backend.root, private=PRIVATE)

    async def offload(self, name_hint: str, data: bytes) -> str | None:
        path = f"{PRIVATE}/offload/{hashlib.sha256(data).hexdigest()}"
        try:
            stored = await self.backend.stat(path)
            if stored is None or (stored.kind, stored.size) != ("file", len(data)):
                stored = await self.backend.write(path, data, create=False)
            return stored.path
        except OSError as error:
            log.warning("%r could not be offloaded: %s", name_hint[:100], error)
            return None


class LocalWorkspaceManager(WorkspaceManagerBase):
    """Sessions of one agent share a workspace, owners and agents never do.

    Everything is under ``directory``, which is the server's own. ``sandbox`` says how far commands are confined.
    """

    def __init__(self, directory: str | os.PathLike[str], sandbox: Sandbox | None = None) -> None:
        self._directory = Path(directory)
        self.sandbox = sandbox or choose_sandbox()
        self._ready: OrderedDict[Path, LocalWorkspace] = OrderedDict()

    async def get_workspace(self, user_id: OwnerId, agent_id: AgentId, session_id: SessionId) -> LocalWorkspace:  # noqa: ARG002
        place = self._directory / directory_name(user_id) / directory_name(agent_id)
        workspace = self._ready.pop(place, None)
        if workspace is None or not place.is_dir():
            workspace = await asyncio.to_thread(self._open, place)
        self._ready[place] = workspace
        if len(self._ready) > _KEPT:
            self._ready.popitem(last=False)
        return workspace

    def _open(self, place: Path) -> LocalWorkspace:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in (place.parent, place):
            each.mkdir(mode=0o700, exist_ok=True)
        return LocalWorkspace(LocalBackend(place, self.sandbox))


def directory_name(identity: str) -> str:
    """A name for any string, different for each, also where case does not count. Long ones and none have a hash."""
    octets = identity.encode("utf-8", "surrogatepass")
    name = "".join(chr(each) if chr(each) in _PLAIN else f"%{each:02x}" for each in octets)
    return name if 0 < len(name) <= _LONGEST else f"~{hashlib.sha256(octets).hexdigest()}"
