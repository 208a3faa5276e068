"""Answers to what a parked reply waits for: whether they fit what was asked, and who gave them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from msgspec.structs import replace

from agentsvc.domain.approvals import AnswerApproval, Approval, ApprovalRecord
from agentsvc.domain.chat import refused_blocks
from agentsvc.domain.decoding import MOST_TOLD, refusal
from agentsvc.domain.errors import AlreadyAnswered, Conflict, Invalid, Problem
from agentsvc.domain.events import ConfirmResult, ExternalExecutionResult, UserConfirmResult
from agentsvc.domain.messages import ToolResultBlock
from agentsvc.domain.permissions import PermissionRule

Answer = UserConfirmResult | ExternalExecutionResult

_ASKED_BY = {"confirmation": "USER_CONFIRM_RESULT", "external_execution": "EXTERNAL_EXECUTION_RESULT"}


def calls_of(answer: Answer) -> list[str]:
    """The ids of the calls that are answered."""
    match answer:
        case UserConfirmResult(confirm_results=results):
            return [each.tool_call.id for each in results]
        case ExternalExecutionResult(execution_results=results):
            return [each.id for each in results]


def check(answer: Answer, asked: Sequence[Approval]) -> None:
    """Whether each part of the answer is to a question that was asked, whatever has become of it since.

    Raises Conflict when nothing waits for an answer, Invalid with the path of each part that fits no question.
    """
    questions = {each.id: each for each in asked if each.reply_id == answer.reply_id}
    if not questions:
        raise _unasked([each for each in asked if each.status == "pending"])
    if found := list(islice(_misfits(answer, questions), MOST_TOLD)):
        raise refusal(found)


def late(answer: Answer, asked: Sequence[Approval]) -> Approval | None:
    """A question that the answer comes too late for."""
    calls = set(calls_of(answer))
    return next((each for each in asked if each.id in calls and each.status != "pending"), None)


def already_answered(approval: Approval) -> AlreadyAnswered:
    who = f" by {approval.answered_by!r}" if approval.answered_by else ""
    return AlreadyAnswered(f"this call does not wait any more: {approval.status}{who} at {approval.answered_at}")


def stamped(answer: Answer, by: str, at: str) -> Answer:
    """The answer with who gave it and when, whatever its sender claims."""
    return replace(answer, metadata={**answer.metadata, "answered_by": by, "answered_at": at})


def answer_to(record: ApprovalRecord, given: AnswerApproval) -> Answer:
    """The event that answers this question. Raises Invalid for the answer to one of another kind."""
    if found := list(_of_kind(record, given)):
        raise refusal(found)
    if record.kind == "confirmation":
        call = record.tool_call if given.input is None else replace(record.tool_call, input=given.input)
        result = ConfirmResult(confirmed=bool(given.confirmed), tool_call=call, rules=given.rules)
        return UserConfirmResult(reply_id=record.reply_id, confirm_results=[result])
    output = ToolResultBlock(
        id=record.id, name=record.tool_name, output=given.output or "", state=given.state or "success"
    )
    return ExternalExecutionResult(reply_id=record.reply_id, execution_results=[output])


def _of_kind(record: ApprovalRecord, given: AnswerApproval) -> Iterator[Problem]:
    decided, executed = (given.confirmed, given.input, given.rules), (given.output, given.state)
    if record.kind == "confirmation":
        if given.confirmed is None or executed != (None, None):
            yield Problem("confirmed", "this call waits for a decision, with nothing but input and rules beside it")
        yield from _foreign_rules(given.rules, record.tool_name, "")
    elif given.output is None or decided != (None, None, None):
        yield Problem("output", "this call waits for a result, with nothing but its state beside it")
    elif isinstance(given.output, list):
        yield from refused_blocks(given.output, "output")


def _unasked(waiting: Sequence[Approval]) -> Conflict | Invalid:
    if not waiting:
        text = "nothing in this session waits for an answer"
        return Conflict(text, (Problem("input.reply_id", text),))
    return refusal([Problem("input.reply_id", f"expected {waiting[0].reply_id!r}, the reply that waits")])


def _misfits(answer: Answer, questions: Mapping[str, Approval]) -> Iterator[Problem]:
    match answer:
        case UserConfirmResult(confirm_results=results):
            for position, result in enumerate(results):
                path = f"input.confirm_results[{position}]"
                call = result.tool_call
                yield from _misfit(call.id, call.name, "confirmation", questions, f"{path}.tool_call")
                if call.id in questions:
                    yield from _foreign_rules(result.rules, questions[call.id].tool_name, f"{path}.")
        case ExternalExecutionResult(execution_results=executed):
            for position, block in enumerate(executed):
                path = f"input.execution_results[{position}]"
                yield from _misfit(block.id, block.name, "external_execution", questions, path)


def _misfit(call_id: str, name: str, kind: str, questions: Mapping[str, Approval], path: str) -> Iterator[Problem]:
    question = questions.get(call_id)
    if question is None:
        expected = ", ".join(repr(each) for each in islice(_waiting(questions.values(), kind), 5)) or "none"
        yield Problem(f"{path}.id", f"the reply did not ask about this call; calls that wait: {expected}")
    elif question.kind != kind:
        yield Problem(f"{path}.id", f"this call waits for a {_ASKED_BY[question.kind]}")
    elif question.tool_name != name:
        yield Problem(f"{path}.name", f"expected {question.tool_name!r}: an answer cannot change the tool")


def _waiting(questions: Iterable[Approval], kind: str) -> Iterator[str]:
    return (each.id for each in questions if each.kind == kind and each.status == "pending")


def _foreign_rules(rules: Sequence[PermissionRule] | None, tool_name: str, path: str) -> Iterator[Problem]:
    for position, rule in enumerate(rules or ()):
        if rule.tool_name != tool_name:
            yield Problem(f"{path}rules[{position}].tool_name", f"expected {tool_name!r}, the tool of the call")
