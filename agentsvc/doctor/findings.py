"""Findings: what can be wrong, what it means and what a repair does about it."""

from typing import Literal, NamedTuple

from msgspec import Struct

Kind = Literal[
    "orphan-key",
    "headless-session",
    "unowned-session",
    "retired-session",
    "dangling-entry",
    "unlisted-record",
    "unknown-key",
    "wrong-type",
    "immortal-key",
    "stuck-run",
    "stranded-inbox",
    "held-requests",
    "silent-claim",
    "silent-worker",
    "dead-request",
    "unreadable-request",
    "late-announcement",
    "late-removal",
    "late-expiry",
    "unreadable-note",
]


class Meaning(NamedTuple):
    """``remedy`` is empty where a repair leaves things as they are."""

    text: str
    remedy: str = ""


MEANINGS: dict[Kind, Meaning] = {
    "orphan-key": Meaning("a part of a session that is no more", "deletes it"),
    "headless-session": Meaning(
        "a session has a record but has lost its head, so that what is left of its conversation goes on from nothing; "
        "restore the head from a backup, or delete the session"
    ),
    "unowned-session": Meaning("a session that no owner has a record of", "removes it with all that belongs to it"),
    "retired-session": Meaning(
        "a session that nobody used for long; its removal has begun and was not ended", "removes it"
    ),
    "dangling-entry": Meaning("an index names a record that is gone", "takes it out of the index"),
    "unlisted-record": Meaning("a record that no list of its owner shows", "puts it into the index"),
    "unknown-key": Meaning("a key that this version does not know; a newer one may have made it"),
    "wrong-type": Meaning("a key holds another type of value than the service keeps there"),
    "immortal-key": Meaning("a key that is kept for a time has no lifetime", "gives it one"),
    "stuck-run": Meaning("a run lost its worker, and nobody is asked to go on with it", "asks for a run"),
    "stranded-inbox": Meaning("something waits for an agent, and nobody is asked to run it", "asks for a run"),
    "held-requests": Meaning(
        "requests of an owner wait outside the queue for others of which there are none", "lets them in"
    ),
    "silent-claim": Meaning("a run was claimed by a worker that has fallen silent", "asks for it anew"),
    "silent-worker": Meaning(
        "a worker that is gone is still known to the queue", "forgets it when it has claimed nothing"
    ),
    "dead-request": Meaning(
        "a run is asked for in a session that is gone, and no worker comes to drop that", "takes it out of the queue"
    ),
    "unreadable-request": Meaning("a run request that cannot be read", "takes it out of the queue"),
    "late-announcement": Meaning(
        "something was accepted and nobody asked for a run: no worker finishes what was left half-done",
        "asks for a run",
    ),
    "late-removal": Meaning("a removal has begun and was not ended: no worker ends it", "ends it"),
    "late-expiry": Meaning("an approval is due and was not answered: no worker answers it; start one"),
    "unreadable-note": Meaning("a note that cannot be read", "drops it"),
}


REMOVALS: frozenset[Kind] = frozenset(("unowned-session", "retired-session", "late-removal"))
"""What is repaired by removing sessions: only where their records are."""


class Finding(Struct, frozen=True):
    """One thing that is wrong. ``member`` is the part of the key that it is about: an entry of a stream or of an index.

    What is found twice is equal.
    """

    kind: Kind
    key: bytes
    session: str = ""
    owner: str = ""
    member: bytes = b""


def printable(name: bytes | str, most: int = 200) -> str:
    """A name as one short line that does nothing to a terminal. Who made the key has chosen it."""
    text = name.decode(errors="backslashreplace") if isinstance(name, bytes) else name
    shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"
