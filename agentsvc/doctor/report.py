"""The report: what was found, for people and for programs."""

from collections.abc import Generator, Iterable, Sequence
from itertools import groupby

import msgspec
from msgspec import Struct

from agentsvc.doctor.findings import MEANINGS, REMOVALS, Finding, Kind, printable

_SHOWN = 20  # findings of one kind that people are shown


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding. Names are shortened and escaped; ``repaired`` is left out when nobody asked for repairs."""

    kind: Kind
    key: str
    member: str = ""
    session: str = ""
    owner: str = ""
    repaired: bool | None = None

    def __str__(self) -> str:
        about = [f"{name} {text}" for name in ("member", "session", "owner") if (text := getattr(self, name))]
        done = {None: [], True: ["repaired"], False: ["not repaired"]}[self.repaired]
        return "  ".join([self.key, *about, *done])


class Report(Struct, frozen=True, kw_only=True):
    """``foreign`` keys are not the service's and were left alone; ``recorded``: owners have records here; ``complete``
    is false when there was too much to see at once.
    """

    keys: int
    foreign: int
    recorded: bool
    complete: bool
    findings: list[Line]

    @property
    def well(self) -> bool:
        return self.complete and all(line.repaired for line in self.findings)

    def json(self) -> str:
        return msgspec.json.format(msgspec.json.encode(self), indent=2).decode()

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Generator[str]:
        for _, found in groupby(self.findings, key=lambda line: line.kind):
            yield from _section(list(found))
        yield f"{len(self.findings)} findings in {self.keys} keys, of which {self.foreign} are not of agentsvc"
        if not self.recorded and any(line.kind in REMOVALS for line in self.findings):
            yield "No user has records here, so no session is removed: an app may keep its records elsewhere."
        if not self.complete:
            yield "There is more than can be looked at at once: repair this, and look again."


def _section(found: Sequence[Line]) -> Generator[str]:
    """Those of one kind."""
    kind, meaning = found[0].kind, MEANINGS[found[0].kind]
    yield f"{kind} ({len(found)}): {meaning.text}"
    yield f"  repair: {meaning.remedy}" if meaning.remedy else "  no repair: this is for a person to decide"
    yield from (f"  {line}" for line in found[:_SHOWN])
    if len(found) > _SHOWN:
        yield f"  and {len(found) - _SHOWN} more, which --json shows"
    yield ""


def line_of(finding: Finding, *, repaired: bool | None) -> Line:
    return Line(
        kind=finding.kind,
        key=printable(finding.key),
        member=printable(finding.member),
        session=printable(finding.session),
        owner=printable(finding.owner),
        repaired=repaired,
    )


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """By kind, in the order of their meanings; removals and requests of a kind in the order of their keys."""
    kinds = list(MEANINGS)
    return sorted(findings, key=lambda each: (kinds.index(each.kind), each.key, each.member))
