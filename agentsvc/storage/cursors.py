"""Cursors: where the next page of a list begins, opaque to those who hand them back."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

from agentsvc.domain.errors import Invalid, Problem


def cursor_after(index: str, score: int) -> str:
    """The cursor of the page that begins below this score of an index: the score and a checksum of both.

    The checksum guards nothing, since a cursor only ever moves within the reader's own records. It tells a client that
    a cursor came from another list, or was cut off on its way.
    """
    place = score.to_bytes(8, "big")
    return urlsafe_b64encode(place + blake2b(place + index.encode(), digest_size=7).digest()).decode()


def score_of(index: str, cursor: str) -> int:
    """The score that a cursor stands for. Raises Invalid for anything but a cursor of this index."""
    try:
        score = int.from_bytes(urlsafe_b64decode(cursor)[:8], "big")
    except ValueError:
        raise _invalid() from None
    if cursor_after(index, score) != cursor:
        raise _invalid()
    return score


def _invalid() -> Invalid:
    return Invalid("cursor is not one of this list", (Problem("cursor", "expected the next_cursor of this list"),))
