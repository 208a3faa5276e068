"""What the permission engine is told of one shell command."""

import re
from collections.abc import Iterator, Sequence

from agentsvc.agent.permissions import Examination, Opinion
from agentsvc.domain.permissions import PermissionMode, Reason
from agentsvc.tools.paths import Place
from agentsvc.tools.shell import rules
from agentsvc.tools.shell.dangers import dangers_of
from agentsvc.tools.shell.effects import redirect_uses
from agentsvc.tools.shell.plan import Step, plan
from agentsvc.tools.shell.reasons import REASONS, worst
from agentsvc.tools.shell.script import PathUse, Script, SimpleCommand
from agentsvc.tools.shell.suggestions import suggestions_for
from agentsvc.tools.shell.survey import Facts
from agentsvc.tools.shell.wrappers import hands_text_over, is_long_winded, started_by

_BROKEN = frozenset({"unparsable", "too_long", "too_complex", "unprintable", "not_understood", "line_continuation"})


class ShellExamination(Examination):
    """``facts`` tell of every use that ``paths_of`` names; ``start``: the canonical path of where the script starts."""

    def __init__(self, script: Script, mode: PermissionMode, facts: Facts, start: str) -> None:
        self._script = script
        self._facts = facts
        self._start = start
        self._steps = plan(script)
        self._started = started_by(script)
        concern = worst((*dangers_of(script, self._started), *self._path_dangers(), *script.doubts))
        if concern is None and self._steps is None:
            concern = REASONS["too_complex"]
        super().__init__(read_only=concern is None and all(map(self._only_reads, self._steps or ())))
        self.opinion, self.reason = self._judge(mode, concern)

    def touched_by(self, content: str) -> bool:
        rule = rules.read(content)
        if any(rule.touches(command) for command in self._started):
            return True
        return self._is_vague() and (not rule.name or _mentions(self._script.text, rule.name))

    def covered_by(self, contents: Sequence[str]) -> bool:
        if self._script.doubts or not self._steps:
            return False
        known = [rules.read(content) for content in contents]
        return all(self._covered(step, known) for step in self._steps)

    def suggestions(self) -> Sequence[str | None]:
        safety = self.reason is not None and self.reason.safety
        return () if safety or self._script.doubts else suggestions_for(list(self._asked_about()))

    def _judge(self, mode: PermissionMode, concern: Reason | None) -> tuple[Opinion, Reason | None]:
        if concern is not None:
            return "ask" if concern.safety else "passthrough", concern
        if self.read_only:
            return "passthrough", None
        if mode == "accept_edits" and self._only_edits_inside():
            return "allow", REASONS["edits"]
        return "passthrough", self._why_not_read_only()

    def _only_reads(self, step: Step) -> bool:
        return step.effect.kind == "reads" and self._known(step) and (not step.effect.here or self._is_here(step))

    def _known(self, step: Step) -> bool:
        """Every path is known, and holds no secret; everything below one only where work is done."""
        return all(
            use in self._facts
            and all(
                not place.secret and (place.inside or use.role not in ("tree", "visible")) for place in self._facts[use]
            )
            for use in step.uses
        )

    def _is_here(self, step: Step) -> bool:
        places = [self._facts.get(PathUse(place, "list"), ()) for place in step.places if place]
        return all(facts and all(place.real == self._start for place in facts) for facts in places)

    def _only_edits_inside(self) -> bool:
        steps = self._steps or ()
        last = max((index for index, step in enumerate(steps) if step.uses), default=0)
        return all(
            self._only_reads(step)
            or (
                self._edits_inside(step) and (not step.effect.moves or (index == last and step.command.operator != "|"))
            )
            for index, step in enumerate(steps)
        )

    def _edits_inside(self, step: Step) -> bool:
        facts = [self._facts.get(use, ()) for use in step.uses]
        known = step.effect.kind == "edits" and (not step.effect.here or self._is_here(step))
        return known and all(each and all(map(_harmless_to_edit, each)) for each in facts)

    def _path_dangers(self) -> Iterator[Reason]:
        uses = [use for step in self._steps or () for use in step.uses]
        uses += [use for redirect in self._script.redirects for use in redirect_uses(redirect)]
        for use in uses:
            facts = self._facts.get(use, ())
            if any(place.secret for place in facts):
                yield REASONS["secret_path"]
            if use.role == "write" and any(place.dangerous for place in facts):
                yield REASONS["dangerous_path"]

    def _why_not_read_only(self) -> Reason:
        steps = self._steps or ()
        facts = [place for step in steps for use in step.uses for place in self._facts.get(use, ())]
        unknown = [use for step in steps for use in step.uses if use not in self._facts]
        if unknown:
            return REASONS["repository" if all(use.role == "repository" for use in unknown) else "unknown_path"]
        if any(step.effect.here and not self._is_here(step) for step in steps):
            return REASONS["elsewhere"]
        if any(step.effect.kind == "anything" for step in steps):
            return REASONS["not_read_only"]
        return REASONS["outside" if not all(place.inside for place in facts) else "writes"]

    def _covered(self, step: Step, known: Sequence[rules.CommandRule]) -> bool:
        if any(use.role == "write" for redirect in step.command.redirects for use in redirect_uses(redirect)):
            return False
        if any(use not in self._facts and not _may_be_left_open(use) for use in step.uses):
            return False
        return self._only_reads(step) or any(rule.covers(step.command) for rule in known)

    def _asked_about(self) -> Iterator[SimpleCommand]:
        return (step.command for step in self._steps or () if not self._only_reads(step))

    def _is_vague(self) -> bool:
        """Whether commands may hide where no tree shows them."""
        return any(doubt.code in _BROKEN for doubt in self._script.doubts) or any(
            hands_text_over(command) or is_long_winded(command) for command in self._script.commands
        )


def _harmless_to_edit(place: Place) -> bool:
    return place.inside and not place.dangerous and not place.secret


def _may_be_left_open(use: PathUse) -> bool:
    """A rule may also mean a home, all that is below a directory and the settings of git, if they are not known."""
    return use.role in ("tree", "visible", "repository") or use.path.startswith("~")


def _mentions(text: str, name: str) -> bool:
    """Whether the program is named, however it is quoted."""
    bare = text.replace("\\\n", "").translate({ord(char): None for char in "'\"\\"})
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", bare) is not None
