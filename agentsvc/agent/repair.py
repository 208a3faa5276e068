"""Near misses of JSON, as models write them, repaired within bounded time."""

from typing import Any, SupportsIndex

import json_repair
import msgspec

MAX_CHARS = 65_536
"""A guess at a longer text is hardly what was meant."""

_READS = 20_000
_READS_PER_CHAR = 8  # ordinary near misses were measured at 1 to 4


def repair(text: str) -> Any:
    """The JSON that was probably meant. Raises ValueError when there is none, or when finding it takes too long.

    A text of the greatest length takes about 0.2 s at worst.
    """
    if len(text) > MAX_CHARS:
        raise ValueError(f"more than {MAX_CHARS} characters are not repaired")
    try:
        guess = json_repair.repair_json(_Metered.of(text, [_READS + _READS_PER_CHAR * len(text)]))
        # Strictly: NaN, lone surrogates and numbers without measure do not come through.
        return msgspec.json.decode(guess)
    except Exception as error:  # a guess may stumble over anything
        raise ValueError("it cannot be repaired") from error


class _Metered(str):
    """Text that may be read only so often.

    The repair looks ahead from every quote and every brace, so a text made for it takes time that grows with the square
    of its length. All parts of a text share one meter.
    """

    __slots__ = ("_left",)
    _left: list[int]

    @classmethod
    def of(cls, text: str, left: list[int]) -> "_Metered":
        metered = cls(text)
        metered._left = left
        return metered

    def __getitem__(self, key: "SupportsIndex | slice[Any, Any, Any]") -> Any:
        part = super().__getitem__(key)
        self._left[0] -= len(part)
        if self._left[0] < 0:
            raise TimeoutError
        return _Metered.of(part, self._left) if isinstance(key, slice) else part

    def __add__(self, other: str) -> "_Metered":
        return _Metered.of(super().__add__(other), self._left)
