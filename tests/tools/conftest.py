"""A workspace, and what a session remembers of it."""

import pytest

from agentsvc.domain.states import AgentState
from agentsvc.workspaces.local import LocalBackend


@pytest.fixture
def workspace(tmp_path):
    directory = tmp_path / "work"
    directory.mkdir()
    return directory.resolve()


@pytest.fixture
def backend(workspace):
    return LocalBackend(workspace)


@pytest.fixture
def state():
    return AgentState(session_id="s")
