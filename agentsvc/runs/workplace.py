"""What an agent works with: the workspace of its session, and the tools and skills that are there."""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from agentsvc.agent.skills import SkillLoaderBase
from agentsvc.agent.tool import ToolBase
from agentsvc.agent.workspace import WorkspaceBase, WorkspaceManagerBase
from agentsvc.bus.leases import Grant
from agentsvc.domain.times import now
from agentsvc.tools.builtin import workspace_tools
from agentsvc.tools.skills import BackendSkillLoader
from agentsvc.tools.tasks import task_tools

log = logging.getLogger(__name__)

_KEPT = 256  # workplaces that one worker keeps ready
_SKILLS = "skills"


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
        tools = [*task_tools(now)]
        if self.workspace is not None:
            backend = self.workspace.backend
            tools += workspace_tools(backend, shell=backend.confined, model_input_types=input_types)
        return tools


@dataclass(frozen=True)
class Workplaces:
    """Made when an agent first needs one, and kept for a while."""

    manager: WorkspaceManagerBase | None = None
    _ready: OrderedDict[tuple[str, str, str], Workplace] = field(default_factory=OrderedDict)

    async def of(self, grant: Grant) -> Workplace:
        if self.manager is None:
            return Workplace()
        key = (grant.owner, grant.agent_id, grant.session_id)
        place = self._ready.get(key)
        if place is None:
            workspace = await self.manager.get_workspace(*key)
            place = self._ready[key] = Workplace(workspace, BackendSkillLoader(workspace.backend, _SKILLS))
        self._ready.move_to_end(key)
        while len(self._ready) > _KEPT:
            self._ready.popitem(last=False)
        return place
