"""What an agent works with: the workspace of its session, and the tools and skills that are there."""

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from agentsvc.agent.skills import SkillLoaderBase
from agentsvc.agent.tool import ToolBase
from agentsvc.agent.workspace import WorkspaceBase, WorkspaceManagerBase
from agentsvc.bus.leases import Grant
from agentsvc.domain.times import now
from agentsvc.tools.builtin import workspace_tools
from agentsvc.tools.skills import BackendSkillLoader
from agentsvc.tools.tasks import task_tools

_SKILLS = "skills"
_PLANNING = task_tools(now)  # what they change is in the state; to make them takes longer than all else of an agent


@dataclass(frozen=True)
class Workplace:
    """``skills`` remembers what it has read."""

    workspace: WorkspaceBase | None = None
    skills: SkillLoaderBase | None = None

    @property
    def instructions(self) -> str:
        return self.workspace.instructions if self.workspace is not None else ""

    def tools(self, input_types: Sequence[str]) -> list[ToolBase]:
        """Those of the plan and, where there is a workspace, of its files; Bash only where commands are confined."""
        tools = [*_PLANNING]
        if self.workspace is not None:
            backend = self.workspace.backend
            tools += workspace_tools(backend, shell=backend.confined, model_input_types=input_types)
        return tools


class Workplaces:
    """Asks the manager before each reply: only it knows whether a workspace is still there."""

    def __init__(self, manager: WorkspaceManagerBase | None = None) -> None:
        self._manager = manager
        self._skills: WeakKeyDictionary[WorkspaceBase, SkillLoaderBase] = WeakKeyDictionary()

    async def of(self, grant: Grant) -> Workplace:
        if self._manager is None:
            return Workplace()
        workspace = await self._manager.get_workspace(grant.owner, grant.agent_id, grant.session_id)
        if workspace not in self._skills:
            self._skills[workspace] = BackendSkillLoader(workspace.backend, _SKILLS)
        return Workplace(workspace, self._skills[workspace])
