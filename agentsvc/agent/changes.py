"""What a front end shows of the state of an agent beside its messages: told when it has changed."""

from typing import Any

from agentsvc.domain import events as ev
from agentsvc.domain.states import AgentState
from agentsvc.domain.times import Clock


class Changes:
    """The parts of a state are frozen: one that is another object is told again."""

    def __init__(self, state: AgentState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        self._told = self._shown

    @property
    def _shown(self) -> tuple[object, object]:
        return self._state.tasks_context, self._state.permission_context

    def events(self) -> list[ev.Event]:
        """None when all is as it was told last."""
        if all(one is other for one, other in zip(self._shown, self._told, strict=True)):
            return []
        tasks, permissions = self._told = self._shown
        value: dict[str, Any] = {"tasks_context": tasks, "permission_context": permissions}
        return [ev.Custom(name=ev.STATE_UPDATED, value=value, created_at=self._clock())]
