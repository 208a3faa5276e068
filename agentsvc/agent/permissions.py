"""Whether a tool call may run: what the tool says of it, what the rules say, and what the mode makes of both."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from agentsvc.domain.permissions import PermissionContext, PermissionRule, Reason

Opinion = Literal["allow", "deny", "ask", "passthrough"]


class Examination:
    """What a tool knows of one call, for the engine to judge. A subclass answers for the arguments it was made for.

    ``read_only``: the call changes nothing and reads nothing secret. ``opinion``: the tool's own, ``passthrough`` for
    none; with ``ask`` and a ``reason`` of ``safety`` no allow rule helps. ``reason`` belongs to the opinion.
    """

    def __init__(
        self, *, read_only: bool = False, opinion: Opinion = "passthrough", reason: Reason | None = None
    ) -> None:
        self.read_only = read_only
        self.opinion: Opinion = opinion
        self.reason = reason

    def touched_by(self, content: str) -> bool:  # noqa: ARG002
        """Whether a deny or ask rule with this content means the call, or any part of it."""
        return False

    def covered_by(self, contents: Sequence[str]) -> bool:  # noqa: ARG002
        """Whether allow rules with these contents, taken together, permit every part of the call."""
        return False

    def suggestions(self) -> Sequence[str | None]:
        """Contents of allow rules that would together cover the call; None is the whole tool."""
        return ()


class WholeTool(Examination):
    """Of a tool that does not tell its calls apart: only rules for the whole tool mean it."""

    def suggestions(self) -> Sequence[str | None]:
        return (None,)


class Decision(Struct, frozen=True, kw_only=True):
    """``suggested_rules`` are offered only when they would answer the question the next time."""

    behavior: Literal["allow", "deny", "ask"]
    reason: Reason
    suggested_rules: list[PermissionRule] = []


def decide(tool_name: str, examined: Examination, context: PermissionContext) -> Decision:
    """Deny rules, ask rules, read-only calls, the tool's own opinion, allow rules, the mode: the first that says so."""
    if rule := _touching(examined, context.deny_rules.get(tool_name, ())):
        return _denied(Reason(code="deny_rule", message=f"A rule denies {_named(rule)}."))
    if rule := _touching(examined, context.ask_rules.get(tool_name, ())):
        return _asked(Reason(code="ask_rule", message=f"A rule asks before {_named(rule)}."), context)
    if examined.read_only:
        return Decision(behavior="allow", reason=Reason(code="read_only", message="It only reads."))
    if context.mode == "explore":
        return _denied(Reason(code="explore", message="Only what reads may run in explore mode."))
    match examined.opinion:
        case "allow" | "deny" as behavior:
            return Decision(behavior=behavior, reason=_reason_of(tool_name, examined))
        case "ask" if examined.reason is not None and examined.reason.safety and context.mode != "bypass":
            return _asked(examined.reason, context)
        case _:
            return _by_rule_or_mode(tool_name, examined, context)


def with_rules(context: PermissionContext, rules: Sequence[PermissionRule]) -> PermissionContext:
    """The context with more rules, each once; the same object when it has them all."""
    grouped: dict[tuple[str, str], list[PermissionRule]] = {}
    for rule in rules:
        grouped.setdefault((f"{rule.behavior}_rules", rule.tool_name), []).append(rule)
    for (place, tool_name), given in grouped.items():
        filed: dict[str, list[PermissionRule]] = getattr(context, place)
        known = filed.get(tool_name, [])
        if fresh := _unknown(known, given):
            context = replace(context, **{place: {**filed, tool_name: [*known, *fresh]}})
    return context


def merged(own: PermissionContext, given: PermissionContext) -> PermissionContext:
    """The first context with the rules and directories of another."""
    groups = (given.allow_rules, given.deny_rules, given.ask_rules)
    rules = [rule for group in groups for each in group.values() for rule in each]
    directories = {**given.working_directories, **own.working_directories}
    return replace(with_rules(own, rules), working_directories=directories)


def _unknown(known: Sequence[PermissionRule], given: Sequence[PermissionRule]) -> list[PermissionRule]:
    """The first rule given with each content that is not known; all are for the same tool."""
    contents = {rule.rule_content for rule in known}
    fresh: dict[str | None, PermissionRule] = {}
    for rule in given:
        if rule.rule_content not in contents:
            fresh.setdefault(rule.rule_content, rule)
    return list(fresh.values())


def _by_rule_or_mode(tool_name: str, examined: Examination, context: PermissionContext) -> Decision:
    if _covered(examined, context.allow_rules.get(tool_name, ())):
        return Decision(behavior="allow", reason=Reason(code="allow_rule", message="A rule allows it."))
    if context.mode == "bypass":
        return Decision(behavior="allow", reason=Reason(code="bypass", message="Nothing is asked in bypass mode."))
    suggested = [
        PermissionRule(tool_name=tool_name, rule_content=content, behavior="allow", source="suggested")
        for content in examined.suggestions()
    ]
    known = context.allow_rules.get(tool_name, ())
    helpful = suggested if _covered(examined, [*known, *suggested]) else []
    return _asked(_reason_of(tool_name, examined), context, helpful)


def _asked(reason: Reason, context: PermissionContext, rules: Sequence[PermissionRule] = ()) -> Decision:
    """A question, or a denial where nobody is there to answer."""
    behavior: Literal["ask", "deny"] = "deny" if context.mode == "dont_ask" else "ask"
    return Decision(behavior=behavior, reason=reason, suggested_rules=list(rules))


def _denied(reason: Reason) -> Decision:
    return Decision(behavior="deny", reason=reason)


def _reason_of(tool_name: str, examined: Examination) -> Reason:
    return examined.reason or Reason(code="unknown_effect", message=f"What this call of {tool_name} does is not known.")


def _touching(examined: Examination, rules: Sequence[PermissionRule]) -> PermissionRule | None:
    """The first rule that means the call."""
    return next((rule for rule in rules if not rule.rule_content or examined.touched_by(rule.rule_content)), None)


def _named(rule: PermissionRule) -> str:
    return f"{rule.tool_name}({rule.rule_content})" if rule.rule_content else rule.tool_name


def _covered(examined: Examination, rules: Sequence[PermissionRule]) -> bool:
    contents = [rule.rule_content for rule in rules]
    return not all(contents) or examined.covered_by([content for content in contents if content])
