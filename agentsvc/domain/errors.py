"""What can go wrong, as classes: the class is the status, the code and the message.

AgentServiceError 500
├── BadRequest 400
├── Unauthorized 401
├── NotFound 404
├── Conflict 409
│   ├── VersionConflict
│   ├── SessionBusy
│   └── AlreadyAnswered
├── Invalid 422
├── Overloaded 429
├── ModelError                a provider failed; becomes the end of a reply, never an answer of ours
├── LeaseLost                 somebody else writes this session now
└── Unavailable 503
"""

from typing import ClassVar

from msgspec import Struct

from agentsvc.domain.messages import ErrorType


class Problem(Struct, frozen=True):
    """One thing wrong with a request: where it is (``input.content[0].text``) and what was expected."""

    path: str
    message: str


class AgentServiceError(Exception):
    """The service cannot do it."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, detail: str | None = None, problems: tuple[Problem, ...] = ()) -> None:
        self.detail = detail or (self.__doc__ or "").strip()
        self.problems = problems
        super().__init__(self.detail)


class BadRequest(AgentServiceError):
    """The request cannot be read."""

    status, code = 400, "bad_request"


class Unauthorized(AgentServiceError):
    """The request does not say who sends it."""

    status, code = 401, "unauthorized"


class NotFound(AgentServiceError):
    """There is no such thing, or it belongs to somebody else."""

    status, code = 404, "not_found"


class Conflict(AgentServiceError):
    """The state of the resource does not allow it."""

    status, code = 409, "conflict"


class VersionConflict(Conflict):
    """Somebody else changed the record in the meantime. ``version`` is what it has now."""

    code = "version_conflict"

    def __init__(self, version: int) -> None:
        super().__init__(f"the record has changed in the meantime: its version is now {version}")
        self.version = version


class SessionBusy(Conflict):
    """A run holds the session."""

    code = "session_busy"


class AlreadyAnswered(Conflict):
    """Somebody has answered before."""

    code = "already_answered"


class Invalid(AgentServiceError):
    """The request can be read but not accepted."""

    status, code = 422, "invalid"


class Overloaded(AgentServiceError):
    """Too much waits already. ``retry_after`` is when to try again, in seconds."""

    status, code = 429, "overloaded"

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(AgentServiceError):
    """A part that this needs is not there now."""

    status, code = 503, "unavailable"


class LeaseLost(AgentServiceError):
    """The right to write the session has gone to somebody else."""

    code = "lease_lost"


class ModelError(AgentServiceError):
    """The model could not be called.

    ``kind`` classifies it for the client; ``detail`` may hold the provider's words and goes to the log only; ``told``
    are words of ours that the client may read. ``retry_after`` is what the provider asked for, in seconds.
    """

    code = "model_error"

    def __init__(
        self, kind: ErrorType, detail: str, *, told: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(detail)
        self.kind: ErrorType = kind
        self.told = told
        self.retry_after = retry_after
