"""Planning: what may be done to tasks, and what the model is told of it."""

from itertools import count
from typing import Any

import msgspec
import pytest

from agentsvc.agent.permissions import decide
from agentsvc.agent.toolkit import Toolkit
from agentsvc.domain.messages import TextBlock, ToolCallBlock
from agentsvc.domain.permissions import PermissionContext
from agentsvc.domain.states import AgentState, Task
from agentsvc.tools.tasks import task_tools


class Desk:
    """An agent's state, and calls of the tools on it."""

    def __init__(self) -> None:
        ticks = count()
        self.state = AgentState(session_id="s1")
        self.toolkit = Toolkit(task_tools(lambda: f"tick {next(ticks)}"))

    @property
    def tasks(self) -> dict[str, Task]:
        return {task.id: task for task in self.state.tasks_context.tasks}

    async def do(self, name: str, **arguments: Any) -> str:
        """What a call that succeeds says."""
        state, text = await self._call(name, arguments)
        assert state == "running", text
        return text

    async def refused(self, name: str, **arguments: Any) -> str:
        """What a call that fails says; it has changed nothing."""
        before = self.state.tasks_context
        state, text = await self._call(name, arguments)
        assert state == "error"
        assert self.state.tasks_context is before
        return text

    async def create(self, *subjects: str) -> None:
        for subject in subjects:
            await self.do("TaskCreate", subject=subject, description="...")

    async def _call(self, name: str, arguments: dict[str, Any]) -> tuple[str, str]:
        call = ToolCallBlock(id="c1", name=name, input=msgspec.json.encode(arguments).decode())
        (chunk,) = [each async for each in self.toolkit.run(call, self.state)]
        (block,) = chunk.content
        assert isinstance(block, TextBlock)
        return chunk.state, block.text


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_ids_count_up_and_times_come_from_the_clock(desk):
    said = await desk.do("TaskCreate", subject="Wash", description="The car", metadata={"a": 1, "b": None})
    await desk.create("Dry")

    assert "1" in said
    assert "Wash" in said
    assert list(desk.tasks) == ["1", "2"]
    assert desk.tasks["1"] == Task(
        id="1", subject="Wash", description="The car", created_at="tick 0", metadata={"a": 1}, state="pending"
    )
    assert desk.tasks["2"].created_at == "tick 1"


async def test_the_next_id_is_one_above_the_highest(desk):
    await desk.create("a", "b", "c")
    await desk.do("TaskUpdate", task_id="1", status="deleted")

    await desk.create("d")

    assert list(desk.tasks) == ["2", "3", "4"]


async def test_one_task_is_told_whole(desk):
    await desk.create("Wash", "Dry")
    await desk.do("TaskUpdate", task_id="2", owner="Ada", metadata={"where": "yard"}, add_blocked_by=["1"])

    told = await desk.do("TaskGet", task_id="2")

    for part in ("Dry", "pending", "Ada", "Blocked by: 1", "Blocks: nothing", '{"where":"yard"}', "..."):
        assert part in told
    assert "There is no task 7" in await desk.refused("TaskGet", task_id="7")


async def test_tasks_are_listed_one_a_line(desk):
    assert "no tasks" in await desk.do("TaskList")

    await desk.create("Wash\nthe car", "Dry")
    await desk.do("TaskUpdate", task_id="2", owner="Ada", add_blocked_by=["1"])
    assert (await desk.do("TaskList")).splitlines() == [
        "1 [pending] Wash the car",
        "2 [pending] Dry (owner: Ada; blocked by: 1)",
    ]

    await desk.do("TaskUpdate", task_id="1", status="completed")
    assert (await desk.do("TaskList")).splitlines()[1] == "2 [pending] Dry (owner: Ada)"


async def test_only_what_is_sent_changes(desk):
    await desk.create("Wash")
    before = desk.tasks["1"]

    await desk.do("TaskUpdate", task_id="1", subject="Rinse", owner="Ada")
    assert desk.tasks["1"] == msgspec.structs.replace(before, subject="Rinse", owner="Ada")

    await desk.do("TaskUpdate", task_id="1", owner="")
    assert desk.tasks["1"] == msgspec.structs.replace(before, subject="Rinse")


async def test_metadata_are_merged_and_null_deletes_a_key(desk):
    await desk.create("Wash")
    await desk.do("TaskUpdate", task_id="1", metadata={"a": 1, "b": 2})

    await desk.do("TaskUpdate", task_id="1", metadata={"a": None, "c": [3]})

    assert desk.tasks["1"].metadata == {"b": 2, "c": [3]}


async def test_relations_stand_on_both_tasks_once(desk):
    await desk.create("a", "b", "c")

    await desk.do("TaskUpdate", task_id="2", add_blocks=["3"], add_blocked_by=["1", "1"])
    await desk.do("TaskUpdate", task_id="1", add_blocks=["2"])

    assert (desk.tasks["1"].blocks, desk.tasks["1"].blocked_by) == (["2"], [])
    assert (desk.tasks["2"].blocks, desk.tasks["2"].blocked_by) == (["3"], ["1"])
    assert (desk.tasks["3"].blocks, desk.tasks["3"].blocked_by) == ([], ["2"])


async def test_deleting_cleans_every_reference(desk):
    await desk.create("a", "b", "c")
    await desk.do("TaskUpdate", task_id="2", add_blocks=["3"], add_blocked_by=["1"])

    await desk.do("TaskUpdate", task_id="2", status="deleted")

    assert list(desk.tasks) == ["1", "3"]
    assert desk.tasks["1"].blocks == desk.tasks["3"].blocked_by == []


async def test_unknown_ids_are_refused_by_name(desk):
    await desk.create("a")

    assert "8, 9" in await desk.refused("TaskUpdate", task_id="1", add_blocks=["1", "8"], add_blocked_by=["9"])
    assert "7" in await desk.refused("TaskUpdate", task_id="7", subject="x")
    assert "7" in await desk.refused("TaskUpdate", task_id="7", status="deleted")


async def test_cycles_are_refused_and_shown(desk):
    await desk.create("a", "b", "c")
    await desk.do("TaskUpdate", task_id="1", add_blocks=["2"])
    await desk.do("TaskUpdate", task_id="2", add_blocks=["3"])

    assert "1 blocks 1" in await desk.refused("TaskUpdate", task_id="1", add_blocks=["1"])
    assert "3 blocks 1 blocks 2 blocks 3" in await desk.refused("TaskUpdate", task_id="3", add_blocks=["1"])
    assert "1 blocks 2 blocks 3 blocks 1" in await desk.refused("TaskUpdate", task_id="1", add_blocked_by=["3"])


async def test_two_ways_to_one_task_are_no_cycle(desk):
    await desk.create("a", "b", "c", "d")
    await desk.do("TaskUpdate", task_id="1", add_blocks=["2", "3"])

    await desk.do("TaskUpdate", task_id="4", add_blocked_by=["2", "3"])

    assert desk.tasks["4"].blocked_by == ["2", "3"]


@pytest.mark.parametrize("status", ["in_progress", "completed"])
async def test_a_blocked_task_is_neither_begun_nor_completed(desk, status):
    await desk.create("a", "b")
    await desk.do("TaskUpdate", task_id="2", add_blocked_by=["1"])

    assert "blocked by 1" in await desk.refused("TaskUpdate", task_id="2", status=status)

    await desk.do("TaskUpdate", task_id="1", status="completed")
    await desk.do("TaskUpdate", task_id="2", status=status)
    assert desk.tasks["2"].state == status


async def test_nothing_gets_in_the_way_of_a_task_that_is_being_done(desk):
    await desk.create("a", "b")
    await desk.do("TaskUpdate", task_id="1", status="completed", add_blocks=["2"])
    await desk.do("TaskUpdate", task_id="2", status="in_progress")

    assert "blocked by 1" in await desk.refused("TaskUpdate", task_id="1", status="pending")

    await desk.create("c")
    assert "blocked by 3" in await desk.refused("TaskUpdate", task_id="2", add_blocked_by=["3"])
    await desk.do("TaskUpdate", task_id="2", status="pending", add_blocked_by=["3"])


async def test_what_is_completed_may_be_taken_up_again(desk):
    await desk.create("a")
    await desk.do("TaskUpdate", task_id="1", status="completed")

    await desk.do("TaskUpdate", task_id="1", status="in_progress")

    assert desk.tasks["1"].state == "in_progress"


async def test_the_answer_says_what_came_of_it(desk):
    await desk.create("a")

    assert "updated" in await desk.do("TaskUpdate", task_id="1", subject="b")
    assert "as it was" in await desk.do("TaskUpdate", task_id="1", subject="b")
    assert "List the tasks" in await desk.do("TaskUpdate", task_id="1", status="completed")
    assert "List the tasks" not in await desk.do("TaskUpdate", task_id="1", subject="c")


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("TaskCreate", {"subject": " ", "description": ""}, "needs a subject"),
        ("TaskCreate", {"subject": "a"}, '"description" is a required property'),
        ("TaskUpdate", {"task_id": "1", "subject": ""}, "needs a subject"),
        ("TaskUpdate", {"task_id": "1", "status": "done"}, "status"),
        ("TaskUpdate", {"task_id": 1}, "task_id"),
    ],
)
async def test_what_makes_no_sense_is_refused(desk, name, arguments, reason):
    await desk.create("a")

    assert reason in await desk.refused(name, **arguments)


async def test_all_run_unasked_and_reading_also_where_nothing_may_change(desk):
    default, explore = PermissionContext(), PermissionContext(mode="explore")

    for tool in task_tools(lambda: "now"):
        examined = await tool.check_permissions({}, default)
        assert decide(tool.name, examined, default).behavior == "allow"
        reads = tool.name in {"TaskGet", "TaskList"}
        assert decide(tool.name, examined, explore).behavior == ("allow" if reads else "deny")
        assert tool.is_concurrency_safe
