"""The engine: five modes, against all that a tool or a rule can say."""

from collections.abc import Sequence
from typing import get_args

import pytest

from agentsvc.agent.permissions import Decision, Examination, WholeTool, decide, with_rules
from agentsvc.domain.permissions import PermissionBehavior, PermissionContext, PermissionMode, PermissionRule, Reason

DANGER = Reason(code="danger", message="It may explode.", safety=True)


class Part(Examination):
    """A call that rules mean by their content ``x``."""

    def touched_by(self, content: str) -> bool:
        return content == "x"

    def covered_by(self, contents: Sequence[str]) -> bool:
        return "x" in contents

    def suggestions(self) -> Sequence[str]:
        return ("x",)


def rule(behavior: PermissionBehavior, content: str | None = "x") -> PermissionRule:
    return PermissionRule(tool_name="T", rule_content=content, behavior=behavior, source="test")


def judged(examined: Examination, mode: PermissionMode, *rules: PermissionRule) -> Decision:
    return decide("T", examined, with_rules(PermissionContext(mode=mode), rules))


SAFETY = Part(opinion="ask", reason=DANGER)
CASES: dict[str, tuple[Examination, tuple[PermissionRule, ...], dict[str, str]]] = {
    # default, accept_edits, explore, bypass, dont_ask
    "deny rule": (Part(read_only=True), (rule("deny"), rule("allow")), dict.fromkeys("daebn", "deny")),
    "ask rule": (Part(read_only=True), (rule("ask"), rule("allow")), {**dict.fromkeys("daeb", "ask"), "n": "deny"}),
    "read-only": (Part(read_only=True), (), dict.fromkeys("daebn", "allow")),
    "tool allows": (Part(opinion="allow"), (), {**dict.fromkeys("dabn", "allow"), "e": "deny"}),
    "tool denies": (Part(opinion="deny"), (rule("allow"),), dict.fromkeys("daebn", "deny")),
    "safety": (SAFETY, (), {"d": "ask", "a": "ask", "e": "deny", "b": "allow", "n": "deny"}),
    "safety against a rule": (
        SAFETY,
        (rule("allow"),),
        {"d": "ask", "a": "ask", "e": "deny", "b": "allow", "n": "deny"},
    ),
    "plain question": (Part(opinion="ask"), (), {"d": "ask", "a": "ask", "e": "deny", "b": "allow", "n": "deny"}),
    "plain question and a rule": (
        Part(opinion="ask"),
        (rule("allow"),),
        {**dict.fromkeys("dabn", "allow"), "e": "deny"},
    ),
    "allow rule": (Part(), (rule("allow"),), {**dict.fromkeys("dabn", "allow"), "e": "deny"}),
    "nothing": (Part(), (), {"d": "ask", "a": "ask", "e": "deny", "b": "allow", "n": "deny"}),
}
MODES: dict[str, PermissionMode] = {
    "d": "default",
    "a": "accept_edits",
    "e": "explore",
    "b": "bypass",
    "n": "dont_ask",
}


def test_there_are_no_other_modes() -> None:
    assert set(MODES.values()) == set(get_args(PermissionMode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", CASES)
def test_each_mode_decides(case: str, mode: str) -> None:
    examined, rules, expected = CASES[case]

    assert judged(examined, MODES[mode], *rules).behavior == expected[mode]


@pytest.mark.parametrize("content", [None, ""])
def test_a_rule_without_content_means_the_whole_tool(content: str | None) -> None:
    assert judged(WholeTool(), "default", rule("allow", content)).behavior == "allow"
    assert judged(WholeTool(read_only=True), "default", rule("deny", content)).behavior == "deny"


def test_a_rule_with_content_does_not_mean_a_tool_that_cannot_tell_its_calls_apart() -> None:
    assert judged(WholeTool(), "default", rule("allow", "x")).behavior == "ask"
    assert judged(WholeTool(read_only=True), "default", rule("deny", "x")).behavior == "allow"


def test_a_rule_of_another_tool_means_nothing() -> None:
    other = PermissionRule(tool_name="t", rule_content=None, behavior="allow", source="test")

    assert judged(WholeTool(), "default", other).behavior == "ask"


def test_every_decision_has_a_reason_that_programs_can_tell() -> None:
    reasons = {
        name: [judged(examined, mode, *rules).reason for mode in MODES.values()]
        for name, (examined, rules, _) in CASES.items()
    }

    assert all(reason.code and reason.message for found in reasons.values() for reason in found)
    assert {reason.code for reason in reasons["safety"]} == {"danger", "explore", "bypass"}
    assert reasons["safety"][0].safety
    assert not reasons["nothing"][0].safety


def test_rules_are_suggested_that_would_answer_the_question() -> None:
    suggested = judged(Part(), "default").suggested_rules

    assert [(each.rule_content, each.behavior, each.source) for each in suggested] == [("x", "allow", "suggested")]
    assert judged(Part(), "default", *suggested).behavior == "allow"


def test_nothing_is_suggested_that_would_not_help() -> None:
    class Vain(Part):
        def suggestions(self) -> Sequence[str]:
            return ("y",)

    assert judged(Vain(), "default").suggested_rules == []
    assert judged(SAFETY, "default").suggested_rules == []
    assert judged(Part(), "default", rule("ask")).suggested_rules == []


def test_a_rule_is_filed_once() -> None:
    once = with_rules(PermissionContext(), [rule("allow"), rule("allow"), rule("deny")])

    assert (once.allow_rules, once.deny_rules) == ({"T": [rule("allow")]}, {"T": [rule("deny")]})
    assert with_rules(once, [rule("allow")]) is once


def test_many_rules_are_filed_without_comparing_each_with_every_other() -> None:
    compared: list[str] = []

    class Counted(str):
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            compared.append(self)
            return str.__eq__(self, other)

    rules = [rule("allow", Counted(number)) for number in range(1000)]
    filed = with_rules(with_rules(PermissionContext(), rules[:600]), rules)

    assert filed.allow_rules == {"T": rules}
    assert len(compared) <= 3 * len(rules)
