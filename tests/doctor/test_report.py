"""The report says what people and programs need, and nothing that a key says does anything to either."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentsvc.doctor.findings import MEANINGS, Finding, printable
from agentsvc.doctor.report import Report, in_order, line_of
from tests.documents import ROOT

HOSTILE = [
    b"{s:\x1b[2J\x1b]0;pwned\x07}:run",
    b"{s:\xff\xfe\x00}:log",
    b"{s:a}\n\r\n0 findings in 0 keys}:x",
    b"{s:}{o:}{{}}",
    b"{s:" + b"x" * 1_000_000,
    "{s:\u202e\u2028\u200b}:run".encode(),
]


def report(*findings: Finding, complete: bool = True, repaired: bool | None = None) -> Report:
    lines = [line_of(each, repaired=repaired) for each in in_order(findings)]
    return Report(keys=9, foreign=2, recorded=True, complete=complete, findings=lines)


@pytest.mark.parametrize("key", HOSTILE)
def test_a_hostile_key_is_one_short_line(key: bytes) -> None:
    shown = report(Finding("unknown-key", key, key.decode(errors="replace"), "ada\x1b", key))

    meaning, remedy, line, empty, total = str(shown).split("\n")

    assert len(line) < 1000
    assert all(each.isprintable() for each in (meaning, remedy, line, empty, total))
    assert total == "1 findings in 9 keys, of which 2 are not of agentsvc"
    assert msgspec.json.decode(shown.json())["findings"][0]["key"] == printable(key)


@given(name=st.binary() | st.text())
def test_what_is_printed_can_always_be_printed(name: bytes | str) -> None:
    assert printable(name).isprintable() or name in (b"", "")
    assert len(printable(name)) <= 200
    printable(name).encode()


def test_findings_come_by_kind_with_their_meaning_and_remedy() -> None:
    lines = str(
        report(
            Finding("silent-worker", b"{q:0}:runs", member=b"w1"),
            Finding("orphan-key", b"{s:b}:log", "b"),
            Finding("orphan-key", b"{s:a}:log", "a"),
            repaired=True,
        )
    ).splitlines()

    assert lines[0] == "orphan-key (2): a part of a session that is no more"
    assert lines[1] == "  repair: deletes it"
    assert lines[2:4] == ["  {s:a}:log  session a  repaired", "  {s:b}:log  session b  repaired"]
    assert lines[5].startswith("silent-worker (1): ")
    assert lines[7] == "  {q:0}:runs  member w1  repaired"


def test_the_page_says_of_every_kind_what_a_repair_does() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| .+ \| (.+) \|$", (ROOT / "docs/doctor.md").read_text(), re.MULTILINE)

    assert {kind: not text.startswith("nothing") for kind, text in rows} == {
        kind: bool(meaning.remedy) for kind, meaning in MEANINGS.items()
    }


def test_no_kind_is_shown_at_more_length_than_a_person_reads() -> None:
    shown = report(*(Finding("orphan-key", b"{s:%d}:log" % number, str(number)) for number in range(1000)))

    assert len(str(shown).splitlines()) < 30
    assert "and 980 more" in str(shown)
    assert len(msgspec.json.decode(shown.json())["findings"]) == 1000


@pytest.mark.parametrize(
    ("shown", "well"),
    [
        (report(), True),
        (report(complete=False), False),
        (report(Finding("orphan-key", b"k")), False),
        (report(Finding("orphan-key", b"k"), repaired=False), False),
        (report(Finding("orphan-key", b"k"), repaired=True), True),
        (report(Finding("orphan-key", b"k"), repaired=True, complete=False), False),
    ],
)
def test_it_is_well_when_nothing_is_wrong_or_all_was_repaired(shown: Report, well: bool) -> None:
    assert shown.well == well
