"""The tools with which an agent plans: TaskCreate, TaskGet, TaskList and TaskUpdate."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from agentsvc.agent.tool import FunctionTool, ToolBase, ToolChunk
from agentsvc.domain.states import AgentState, Task, TasksContext
from agentsvc.domain.times import Clock
from agentsvc.tools import plan
from agentsvc.tools.plan import BadPlan, Changes

_NO_TASKS = "There are no tasks."
_NEXT = "List the tasks to see what can be done next."


def task_tools(clock: Clock) -> Sequence[ToolBase]:
    """All four. They run unasked and side by side with others; what they change is the state of the agent."""
    tasks = _Tasks(clock)
    return (
        FunctionTool(tasks.create, "TaskCreate", is_always_allowed=True),
        FunctionTool(_get, "TaskGet", is_read_only=True, is_always_allowed=True, idempotent=True),
        FunctionTool(_list, "TaskList", is_read_only=True, is_always_allowed=True, idempotent=True),
        FunctionTool(_update, "TaskUpdate", is_always_allowed=True, idempotent=True),
    )


class _Tasks:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def create(
        self, subject: str, description: str, *, metadata: dict[str, Any] | None = None, _agent_state: AgentState
    ) -> ToolChunk:
        """Add a task to the plan. Plan work that takes several steps this way, and leave single steps out of it.

        Args:
            subject: What is to be done, in one short line.
            description: What somebody needs to know to do it, and when it counts as done.
            metadata: Anything else worth keeping with it.
        """
        try:
            changed, task = plan.create(
                _agent_state.tasks_context,
                subject=subject,
                description=description,
                metadata=metadata or {},
                created_at=self._clock(),
            )
        except BadPlan as error:
            return ToolChunk.text(str(error), state="error")
        _agent_state.tasks_context = changed
        return ToolChunk.text(f"Task {task.id} was created: {task.subject}")


async def _get(task_id: str, *, _agent_state: AgentState) -> ToolChunk:
    """Read everything about one task.

    Args:
        task_id: The id of the task.
    """
    try:
        return ToolChunk.text(_told(plan.find(_agent_state.tasks_context, task_id)))
    except BadPlan as error:
        return ToolChunk.text(str(error), state="error")


async def _list(*, _agent_state: AgentState) -> str:
    """List all tasks, one a line: id, state, subject, owner, and which unfinished tasks it waits for."""
    tasks = _agent_state.tasks_context
    return "\n".join(_line(tasks, task) for task in tasks.tasks) or _NO_TASKS


async def _update(
    task_id: str,
    *,
    subject: str | None = None,
    description: str | None = None,
    status: Literal["pending", "in_progress", "completed", "deleted"] | None = None,
    owner: Annotated[str | None, Meta(description="Who does it; an empty text for nobody.")] = None,
    metadata: dict[str, Any] | None = None,
    add_blocks: list[str] | None = None,
    add_blocked_by: list[str] | None = None,
    _agent_state: AgentState,
) -> ToolChunk:
    """Change a task. What is left out stays as it is.

    Set a task to in_progress when you begin it and to completed only when it is really done. A task cannot be begun or
    completed while an unfinished one blocks it.

    Args:
        task_id: The id of the task.
        subject: What is to be done, in one short line.
        description: What somebody needs to know to do it.
        status: Its new state; deleted removes it and every reference to it.
        metadata: Keys to set; null deletes a key.
        add_blocks: Ids of tasks that have to wait for this one.
        add_blocked_by: Ids of tasks that this one has to wait for.
    """
    before = _agent_state.tasks_context
    try:
        if status == "deleted":
            _agent_state.tasks_context = plan.delete(before, task_id)
            return ToolChunk.text(f"Task {task_id} was deleted.")
        changes = Changes(
            subject=subject,
            description=description,
            state=status,
            owner=owner,
            metadata=metadata,
            add_blocks=add_blocks or (),
            add_blocked_by=add_blocked_by or (),
        )
        _agent_state.tasks_context = plan.update(before, task_id, changes)
    except BadPlan as error:
        return ToolChunk.text(str(error), state="error")
    return ToolChunk.text(_outcome(before, _agent_state.tasks_context, task_id))


def _outcome(before: TasksContext, after: TasksContext, task_id: str) -> str:
    if before == after:
        return f"Task {task_id} is as it was: nothing of this was new."
    done = plan.find(after, task_id).state == "completed" and plan.find(before, task_id).state != "completed"
    return f"Task {task_id} was completed. {_NEXT}" if done else f"Task {task_id} was updated."


def _told(task: Task) -> str:
    return "\n".join(
        [
            f"Task {task.id}: {task.subject}",
            f"State: {task.state}",
            f"Owner: {task.owner or 'nobody'}",
            f"Blocked by: {', '.join(task.blocked_by) or 'nothing'}",
            f"Blocks: {', '.join(task.blocks) or 'nothing'}",
            f"Metadata: {msgspec.json.encode(task.metadata).decode()}",
            f"Description: {task.description}",
        ]
    )


def _line(tasks: TasksContext, task: Task) -> str:
    notes = [f"owner: {task.owner}"] if task.owner else []
    blockers = plan.open_blockers(tasks, task)
    notes += [f"blocked by: {', '.join(blockers)}"] if blockers else []
    subject = " ".join(task.subject.split())
    return f"{task.id} [{task.state}] {subject}" + (f" ({'; '.join(notes)})" if notes else "")
