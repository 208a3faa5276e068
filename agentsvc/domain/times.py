"""Time as the wire has it: ISO 8601 in UTC with an offset."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], str]


def now() -> str:
    """The time, such as ``2026-11-24T09:30:00.123456+00:00``."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def clock(ahead_s: float) -> Clock:
    """The time for a host whose own clock is so many seconds ahead; within a second it counts as right."""
    if abs(ahead_s) < 1:
        return now
    ahead = timedelta(seconds=ahead_s)
    return lambda: (datetime.now(UTC) - ahead).isoformat(timespec="microseconds")


def later(at: str, seconds: float) -> str:
    """The time so many seconds after another."""
    return (datetime.fromisoformat(at) + timedelta(seconds=seconds)).isoformat(timespec="microseconds")
