"""What errors that Redis answers mean for the one who asked."""

from redis.exceptions import (
    AskError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)

from agentsvc.kv.dial import LOST

_PASSING = (
    *(AskError, BusyLoadingError, ClusterDownError, MasterDownError, NoScriptError),
    *(OutOfMemoryError, ReadOnlyError, TryAgainError),
)
_PASSING_CODES = ("MISCONF", "NOREPLICAS", "UNBLOCKED")
_ELSEWHERE = (*LOST, ClusterDownError, ReadOnlyError)


def passing(error: Exception) -> bool:
    """Whether it is refused for a while, and before anything of it was carried out."""
    return isinstance(error, _PASSING) or str(error).startswith(_PASSING_CODES)


def elsewhere(error: Exception) -> bool:
    """Whether another server may have taken the place of the one that was asked."""
    return isinstance(error, _ELSEWHERE) or str(error).startswith("UNBLOCKED")
