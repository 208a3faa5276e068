"""Times, and the figures made of them."""

import statistics
import time
from collections.abc import Sequence
from typing import Any

# One line of results: what was measured, by name.
Row = dict[str, Any]


def now_us() -> int:
    """CLOCK_MONOTONIC in microseconds: the clock that the fake model writes into its tokens."""
    return time.monotonic_ns() // 1000


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that ``share`` of all are below (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def median(values: Sequence[float]) -> float | None:
    return percentile(values, 0.5)


def ms(microseconds: float | None) -> float | None:
    return None if microseconds is None else round(microseconds / 1000, 2)


def per(amount: float, count: float, digits: int = 2) -> float | None:
    return round(amount / count, digits) if count else None


def merged(rows: Sequence[Row]) -> Row:
    """The median of each number over repeated runs of one case; of what is no number, the last."""
    return {name: _merged([row[name] for row in rows if name in row]) for row in rows for name in row}


def _merged(values: list[Any]) -> Any:
    if all(isinstance(value, dict) for value in values):
        return merged(values)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return values[0] if len(set(values)) == 1 else round(statistics.median(values), 3)
    return values[-1]
