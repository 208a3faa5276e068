"""The records of what a session asks, kept up with what its state says."""

from agentsvc.bus.leases import Grant
from agentsvc.domain.approvals import Approval
from agentsvc.domain.states import AgentState
from agentsvc.runs.prepare import Prepare
from agentsvc.runs.writer import Writer


class Questions:
    """A worker that died may have left records behind what it wrote down, so the first state with any is told."""

    def __init__(self, prepare: Prepare, writer: Writer, grant: Grant) -> None:
        self._prepare = prepare
        self._writer = writer
        self._grant = grant
        self._told: list[Approval] = []

    async def tell(self, state: AgentState) -> None:
        """Bring the records up to date with a state, once that is kept."""
        if state.approvals != self._told:
            self._told = state.approvals
            await self._writer.settle()
            await self._prepare.tell_approvals(self._grant, state)

    def forget(self) -> None:
        """The state does not have them any more."""
        self._told = []
