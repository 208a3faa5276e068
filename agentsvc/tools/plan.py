"""A session's plan: its tasks, what they wait for, and what may become of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from agentsvc.domain.states import Task, TasksContext

TaskState = Literal["pending", "in_progress", "completed"]


class BadPlan(ValueError):
    """What was asked for cannot be done to these tasks. The text is for the model."""


class Changes(Struct, frozen=True, kw_only=True):
    """None leaves a field as it is. An empty ``owner`` is nobody, and a null in ``metadata`` deletes its key."""

    subject: str | None = None
    description: str | None = None
    state: TaskState | None = None
    owner: str | None = None
    metadata: dict[str, Any] | None = None
    add_blocks: Sequence[str] = ()
    add_blocked_by: Sequence[str] = ()


def find(plan: TasksContext, task_id: str) -> Task:
    """Raises BadPlan when there is none."""
    return _known(_by_id(plan), [task_id])[0]


def create(
    plan: TasksContext, *, subject: str, description: str, metadata: Mapping[str, Any], created_at: str
) -> tuple[TasksContext, Task]:
    """Ids count up, as strings."""
    highest = max((int(task.id) for task in plan.tasks if task.id.isdecimal()), default=0)
    task = Task(
        id=str(highest + 1),
        subject=_subject(subject),
        description=description,
        created_at=created_at,
        metadata=_merged({}, metadata),
    )
    return replace(plan, tasks=[*plan.tasks, task]), task


def update(plan: TasksContext, task_id: str, changes: Changes) -> TasksContext:
    """Every relation stands on both of its tasks. Raises BadPlan, and then nothing has changed.

    A task can be neither in progress nor become completed while one that blocks it is not completed, and no task blocks
    itself, directly or through others.
    """
    tasks = _by_id(plan)
    before = _known(tasks, [task_id])[0]
    _known(tasks, [*changes.add_blocks, *changes.add_blocked_by])
    tasks[task_id] = _changed(before, changes)
    for blocked in changes.add_blocks:
        _relate(tasks, task_id, blocked)
    for blocker in changes.add_blocked_by:
        _relate(tasks, blocker, task_id)
    _refuse_cycle(tasks, task_id)
    completing = changes.state == "completed" and before.state != "completed"
    _refuse_too_early(tasks, [task_id] if completing else [])
    return replace(plan, tasks=list(tasks.values()))


def delete(plan: TasksContext, task_id: str) -> TasksContext:
    """Nothing refers to the task afterwards. Raises BadPlan when there is none."""
    find(plan, task_id)
    left = [_without(task, task_id) for task in plan.tasks if task.id != task_id]
    return replace(plan, tasks=left)


def open_blockers(plan: TasksContext, task: Task) -> list[str]:
    """The ids of what it still waits for."""
    return _open_blockers(_by_id(plan), task)


def _by_id(plan: TasksContext) -> dict[str, Task]:
    return {task.id: task for task in plan.tasks}


def _known(tasks: Mapping[str, Task], ids: Iterable[str]) -> list[Task]:
    wanted = list(dict.fromkeys(ids))
    unknown = [each for each in wanted if each not in tasks]
    if unknown:
        raise BadPlan(f"There is no task {', '.join(unknown)}.")
    return [tasks[each] for each in wanted]


def _subject(text: str) -> str:
    if not text.strip():
        raise BadPlan("A task needs a subject.")
    return text


def _changed(task: Task, changes: Changes) -> Task:
    return replace(
        task,
        subject=task.subject if changes.subject is None else _subject(changes.subject),
        description=task.description if changes.description is None else changes.description,
        state=changes.state or task.state,
        owner=task.owner if changes.owner is None else changes.owner or None,
        metadata=_merged(task.metadata, changes.metadata or {}),
    )


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in {**old, **new}.items() if value is not None or key not in new}


def _relate(tasks: dict[str, Task], blocker: str, blocked: str) -> None:
    one = tasks[blocker]
    tasks[blocker] = replace(one, blocks=list(dict.fromkeys([*one.blocks, blocked])))
    other = tasks[blocked]
    tasks[blocked] = replace(other, blocked_by=list(dict.fromkeys([*other.blocked_by, blocker])))


def _without(task: Task, gone: str) -> Task:
    return replace(
        task,
        blocks=[each for each in task.blocks if each != gone],
        blocked_by=[each for each in task.blocked_by if each != gone],
    )


def _refuse_cycle(tasks: Mapping[str, Task], start: str) -> None:
    """A cycle that a change closes goes through the task that was changed."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for following in tasks[way[-1]].blocks:
            if following == start:
                raise BadPlan(f"Tasks cannot wait for each other: {' blocks '.join([*way, start])}.")
            if following in tasks and following not in seen:
                seen.add(following)
                ways.append([*way, following])


def _open_blockers(tasks: Mapping[str, Task], task: Task) -> list[str]:
    return [each for each in task.blocked_by if each in tasks and tasks[each].state != "completed"]


def _refuse_too_early(tasks: Mapping[str, Task], completing: Sequence[str]) -> None:
    for task in tasks.values():
        blockers = _open_blockers(tasks, task)
        if blockers and (task.state == "in_progress" or task.id in completing):
            raise BadPlan(
                f"Task {task.id} cannot be {task.state.replace('_', ' ')} while it is blocked by {', '.join(blockers)}."
            )
