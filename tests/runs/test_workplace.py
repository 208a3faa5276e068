"""What an agent works with."""

from agentsvc.runs.workplace import Workplace


def test_the_tools_of_the_plan_are_made_once_and_not_for_each_reply() -> None:
    first, second = Workplace().tools(()), Workplace().tools(())

    assert [tool.name for tool in first] == ["TaskCreate", "TaskGet", "TaskList", "TaskUpdate"]
    assert all(one is other for one, other in zip(first, second, strict=True))
