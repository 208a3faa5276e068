"""Where a text is in the bytes of a file, and the file with another one in its place."""

import re
from bisect import bisect_left
from typing import Self

from msgspec import Struct

MOST = 100_000
"""Occurrences that are replaced at once."""

_SPACE = re.compile(rb"\s+")
_NUMBERED = re.compile(r"^ *\d+\t", re.MULTILINE)


class Found(Struct, frozen=True):
    """``spans`` are where the text begins and ends in ``data``. A line end in the text means any line end."""

    data: bytes
    spans: list[tuple[int, int]]

    @classmethod
    def of(cls, data: bytes, text: str) -> Self:
        """In time that grows with the data alone. No more than one beyond ``MOST`` are looked for."""
        wanted = b"\n".join(_lines(text))
        plain = data.replace(b"\r\n", b"\n")
        # Where a line end was longer, as a place in the plain text.
        longer = [] if plain == data else _longer(data)
        spans: list[tuple[int, int]] = []
        start = plain.find(wanted) if wanted else -1
        while start >= 0 and len(spans) <= MOST:
            end = start + len(wanted)
            spans.append((start + bisect_left(longer, start), end + bisect_left(longer, end)))
            start = plain.find(wanted, end)
        return cls(data, spans)

    @property
    def count(self) -> int:
        return len(self.spans)

    def lines(self, most: int) -> list[int]:
        """The numbers of the lines that the first occurrences begin on."""
        return [self.data.count(b"\n", 0, start) + 1 for start, _ in self.spans[:most]]

    def replaced(self, text: str) -> bytes:
        """The line ends of each replacement are those of what it replaces, else those of the file."""
        lines = _lines(text)
        usual = _line_end(self.data)
        parts: list[bytes] = []
        position = 0
        for start, end in self.spans:
            old = self.data[start:end]
            parts += [self.data[position:start], (_line_end(old) if b"\n" in old else usual).join(lines)]
            position = end
        return b"".join([*parts, self.data[position:]])


def hint(data: bytes, text: str) -> str:
    """Why a text may not be there."""
    bare = _NUMBERED.sub("", text)
    if bare != text and Found.of(data, bare).count:
        return "Leave out the line numbers that Read shows."
    words = text.encode().split()
    if words and b" ".join(words) in _SPACE.sub(b" ", data):
        return "It is there with other white space: copy it exactly."
    if "\ufffd" in text:
        return "U+FFFD stands for bytes that are not UTF-8: leave them out."
    return "Read the file again and copy the text exactly."


def _longer(data: bytes) -> list[int]:
    return [match.start() - number for number, match in enumerate(re.finditer(rb"\r\n", data))]


def _lines(text: str) -> list[bytes]:
    return text.replace("\r\n", "\n").encode().split(b"\n")


def _line_end(data: bytes) -> bytes:
    """The one that most lines have."""
    windows = data.count(b"\r\n")
    return b"\r\n" if windows > data.count(b"\n") - windows else b"\n"
