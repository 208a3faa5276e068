"""When a failed request is worth another attempt, and how long to wait for it."""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from msgspec import Struct

TRANSIENT = frozenset({408, 409, 429})


class Retry(Struct, frozen=True, kw_only=True):
    """Exponential back-off with full jitter, in seconds.

    ``patience`` is the longest wait that a provider may ask for: beyond it the error is passed on at once, so that
    another model can answer.
    """

    attempts: int = 4
    base: float = 0.5
    longest: float = 8.0
    patience: float = 30.0

    def delay(self, attempt: int, asked: float | None, chance: float) -> float | None:
        """The wait after this attempt (the first is 0), or none when it was the last. ``chance`` is from 0 to 1."""
        if attempt + 1 >= self.attempts:
            return None
        backoff = chance * min(self.longest, self.base * 2.0**attempt)
        if asked is None:
            return backoff
        return asked + chance * self.base if asked <= self.patience else None


def is_transient(status: int) -> bool:
    """Whether the same request may well succeed later."""
    return status in TRANSIENT or status >= 500


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """What the provider asked for, in seconds. ``now`` is Unix time. A header that cannot be read is as good as none.

    Read are ``retry-after-ms``, which OpenAI sends, and ``retry-after`` as seconds or as a date (RFC 9110).
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    if text is None:
        return None
    if (seconds := _number(text)) is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
