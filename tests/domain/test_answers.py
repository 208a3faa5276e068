"""An answer counts for what was asked, and for nothing else."""

from typing import Any

import pytest
from msgspec.structs import replace

from agentsvc.domain.answers import Answer, answer_to, check, late, stamped
from agentsvc.domain.approvals import AnswerApproval, Approval, recorded
from agentsvc.domain.errors import Conflict, Invalid
from agentsvc.domain.events import ExternalExecutionResult, UserConfirmResult
from agentsvc.domain.ids import AgentId, OwnerId, SessionId
from agentsvc.domain.messages import DataBlock, URLSource
from agentsvc.domain.permissions import PermissionRule
from tests.approvals import answered, approval, call_of, confirm, executed, external

OTHER = PermissionRule(tool_name="Read", rule_content=None, behavior="allow", source="user")
SAME = replace(OTHER, tool_name="Bash")


def record(question: Approval) -> Any:
    return recorded(OwnerId("ada"), AgentId("a"), SessionId("s"), question, call_of(question))


@pytest.mark.parametrize(
    "answer", [confirm(), confirm(confirmed=False), confirm(rules=[SAME]), confirm("c2"), executed()]
)
def test_an_answer_to_what_was_asked_is_accepted(answer: Answer):
    check(answer, [approval(), answered(approval("c2")), external()])


@pytest.mark.parametrize(
    ("answer", "path", "expected"),
    [
        (confirm(reply_id="r9"), "input.reply_id", "'r1'"),
        (confirm("c9"), "input.confirm_results[0].tool_call.id", "'c1'"),
        (confirm(name="Read"), "input.confirm_results[0].tool_call.name", "'Bash'"),
        (confirm(rules=[SAME, OTHER]), "input.confirm_results[0].rules[1].tool_name", "'Bash'"),
        (confirm("x1"), "input.confirm_results[0].tool_call.id", "EXTERNAL_EXECUTION_RESULT"),
        (executed("x9"), "input.execution_results[0].id", "'x1'"),
        (executed(name="Bash"), "input.execution_results[0].name", "'Camera'"),
        (executed("c1"), "input.execution_results[0].id", "USER_CONFIRM_RESULT"),
    ],
)
def test_an_answer_that_fits_no_question_is_refused_with_what_was_expected(answer: Answer, path: str, expected: str):
    with pytest.raises(Invalid) as refused:
        check(answer, [approval(), external()])

    (problem,) = refused.value.problems
    assert problem.path == path
    assert expected in problem.message


@pytest.mark.parametrize("asked", [[], [answered(approval("c2"))], [answered(approval(reply_id="r0"))]])
def test_an_answer_when_nobody_asks_is_a_conflict(asked: list[Approval]):
    with pytest.raises(Conflict) as refused:
        check(confirm(reply_id="r9"), asked)

    assert refused.value.problems[0].path == "input.reply_id"


def test_each_part_that_fits_nothing_is_named():
    answer = confirm("c9")
    answer = replace(answer, confirm_results=[*confirm().confirm_results, *answer.confirm_results * 2])

    with pytest.raises(Invalid) as refused:
        check(answer, [approval()])

    assert [each.path for each in refused.value.problems] == [
        "input.confirm_results[1].tool_call.id",
        "input.confirm_results[2].tool_call.id",
    ]


def test_an_answer_is_late_when_one_of_its_calls_does_not_wait_any_more():
    first, second = approval(), answered(approval("c2"))

    assert late(confirm(), [first, second]) is None
    assert late(confirm("c2"), [first, second]) == second


def test_who_answered_and_when_is_not_for_the_client_to_say():
    claimed = replace(confirm(), metadata={"answered_by": "mallory", "answered_at": "never", "tab": 2})

    answer = stamped(claimed, "ada", "2026-11-24T09:30:00+00:00")

    assert answer.metadata == {"answered_by": "ada", "answered_at": "2026-11-24T09:30:00+00:00", "tab": 2}


def test_a_decision_becomes_a_confirmation_of_the_recorded_call():
    plain = answer_to(record(approval()), AnswerApproval(confirmed=True))
    edited = answer_to(record(approval()), AnswerApproval(confirmed=True, input="{}", rules=[SAME]))

    assert isinstance(plain, UserConfirmResult)
    assert isinstance(edited, UserConfirmResult)
    assert plain.reply_id == "r1"
    assert plain.confirm_results[0].tool_call.input == '{"command":"make"}'
    assert (edited.confirm_results[0].tool_call.input, edited.confirm_results[0].rules) == ("{}", [SAME])


def test_a_result_becomes_that_of_the_recorded_call():
    answer = answer_to(record(external()), AnswerApproval(output="no film", state="error"))

    assert isinstance(answer, ExternalExecutionResult)
    (result,) = answer.execution_results
    assert (result.id, result.name, result.output, result.state) == ("x1", "Camera", "no film", "error")


@pytest.mark.parametrize(
    ("question", "given", "path"),
    [
        (approval(), AnswerApproval(), "confirmed"),
        (approval(), AnswerApproval(output="done"), "confirmed"),
        (approval(), AnswerApproval(confirmed=True, state="error"), "confirmed"),
        (approval(), AnswerApproval(confirmed=True, rules=[OTHER]), "rules[0].tool_name"),
        (external(), AnswerApproval(state="success"), "output"),
        (external(), AnswerApproval(confirmed=True), "output"),
        (external(), AnswerApproval(output="done", rules=[]), "output"),
        (
            external(),
            AnswerApproval(output=[DataBlock(source=URLSource(url="file:///etc/passwd", media_type="text/plain"))]),
            "output[0].source.url",
        ),
    ],
)
def test_an_answer_of_another_kind_is_refused(question: Approval, given: AnswerApproval, path: str):
    with pytest.raises(Invalid) as refused:
        answer_to(record(question), given)

    assert [each.path for each in refused.value.problems] == [path]
