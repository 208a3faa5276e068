"""The implementations of each port that more than one suite runs over."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agentsvc.agent.backend import BackendBase
from agentsvc.workspaces.local import LocalBackend
from tests.workspaces.sandboxes import sandbox


def local(name: str) -> Callable[[Path], BackendBase]:
    return lambda root: LocalBackend(root, sandbox(name))


BACKENDS: dict[str, Callable[[Path], BackendBase]] = {
    "local-bubblewrap": local("bubblewrap"),
    "local-landlock": local("landlock"),
    "local-none": local("none"),
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> BackendBase:
    return BACKENDS[request.param](tmp_path)
