"""Cursors: where the next page of a list begins, opaque to those who hand them back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

from agentsvc.domain.errors import Invalid, Problem

_SCORE, _CHECK = 8, 7  # bytes


def cursor_after(index: str, score: int, name: str = "") -> str:
    """The cursor of the page that begins below this score of an index: the score and a checksum of both.

    Where several have the same score, it begins below this ``name`` among them.

    The checksum guards nothing, since a cursor only ever moves within the reader's own records. It tells a client that
    a cursor came from another list, or was cut off on its way.
    """
    place = score.to_bytes(_SCORE, "big") + name.encode()
    return urlsafe_b64encode(place + blake2b(place + index.encode(), digest_size=_CHECK).digest()).decode()


def place_of(index: str, cursor: str) -> tuple[int, str]:
    """The score and the name that a cursor stands for. Raises Invalid for anything but a cursor of this index."""
    try:
        place = urlsafe_b64decode(cursor)[:-_CHECK]
        score, name = int.from_bytes(place[:_SCORE], "big"), place[_SCORE:].decode()
    except ValueError:
        raise _invalid() from None
    if cursor_after(index, score, name) != cursor:
        raise _invalid()
    return score, name


def _invalid() -> Invalid:
    return Invalid("cursor is not one of this list", (Problem("cursor", "expected the next_cursor of this list"),))
