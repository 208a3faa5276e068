"""How a reply that fails is closed: what clients are told of the cause."""

from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import ErrorInfo, ErrorType

_TEXTS: dict[ErrorType, str] = {
    "authentication": "The model provider refused the credential.",
    "permission": "The credential does not allow the use of this model.",
    "rate_limit": "The model provider is limiting requests; try again later.",
    "invalid_request": "The model provider rejected the request.",
    "upstream": "The model provider failed.",
    "connection": "The model provider could not be reached.",
    "internal": "The service failed while it was replying.",
    "setup": "The agent could not be set up.",
    "unknown": "The reply failed.",
}


def classify(error: BaseException) -> ErrorInfo:
    """The cause of a failure in words of ours: those of an exception may hold what a client should not see."""
    cause = error if isinstance(error, ModelError) else ModelError("internal", str(error))
    return ErrorInfo(type=cause.kind, message=cause.told or _TEXTS[cause.kind])
