"""The confinements that this machine has, by name."""

import pytest

from agentsvc.workspaces import jail
from agentsvc.workspaces.sandbox import Sandbox, choose_sandbox

CONFINING = ("bubblewrap", "landlock")
ALL = (*CONFINING, "none")


def sandbox(name: str, *, network: bool = True) -> Sandbox:
    """Skips the test where this one does not work."""
    match name:
        case "bubblewrap":
            best = choose_sandbox(network=network)
            if best.name != name:
                pytest.skip("bubblewrap is not installed, or may not make namespaces here")
            return best
        case "landlock":
            if jail.landlock_version() < jail.OLDEST_LANDLOCK:
                pytest.skip(f"this kernel has Landlock version {jail.landlock_version()}, too old to confine")
            return Sandbox(name="landlock", network=network)
        case _:
            return Sandbox(name="none")
