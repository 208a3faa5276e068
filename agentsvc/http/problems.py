"""Every error as problem details (RFC 9457), whose ``detail`` is also what older clients read."""

import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from msgspec import UNSET, Struct, UnsetType

from agentsvc.domain.errors import AgentServiceError, Overloaded, Problem, Unavailable, VersionConflict

MEDIA_TYPE = "application/problem+json"

log = logging.getLogger(__name__)

_RETRY_S = 1  # when a part that is not there may be there again
_LONGEST = 500  # characters of what may repeat a part of the request
_MISSING = re.compile(r"Missing required (\w+) parameter '(.+?)' for path")

AnyRequest = Request[Any, Any, Any]


class ProblemDetails(Struct, frozen=True, kw_only=True):
    """``errors`` has the path of each field that is wrong; ``version`` is that of the record which is there now."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[Problem] | UnsetType = UNSET
    version: int | UnsetType = UNSET


def render(
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[Problem] | None = None,
    version: int | None = None,
    headers: dict[str, str] | None = None,
) -> Response[ProblemDetails]:
    problem = ProblemDetails(
        type=f"urn:agentsvc:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail[:_LONGEST],
        code=code,
        errors=[Problem(each.path[:_LONGEST], each.message[:_LONGEST]) for each in errors or ()] or UNSET,
        version=UNSET if version is None else version,
    )
    return Response(problem, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def answer(request: AnyRequest, error: Exception) -> Response[ProblemDetails]:
    """The one handler: what the services raise, what Litestar itself refuses, and faults of ours."""
    match error:
        case AgentServiceError(status=status) if status != HTTPStatus.INTERNAL_SERVER_ERROR:
            return _of_service(error)
        case ValidationException():
            return _of_validation(error)
        case HTTPException(status_code=status) if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return render(status, HTTPStatus(status).name.lower(), error.detail, headers=error.headers)
        case ConnectionError():
            log.warning("%s %s: a part that this needs is not there: %s", request.method, request.url.path, error)
            return _of_service(Unavailable())
        case RecursionError():
            return render(400, "bad_request", "The JSON is nested too deeply.")
        case _:
            log.error("%s %s failed", request.method, request.url.path, exc_info=error)
            return render(500, "internal", "The service failed to answer; the request id finds the reason in its log.")


# By status, too: a status that the app around us has a handler for would come before our class.
HANDLERS: dict[int | type[Exception], Callable[[AnyRequest, Any], Response[Any]]] = {
    Exception: answer,
    **{status.value: answer for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST},
}


def _of_service(error: AgentServiceError) -> Response[ProblemDetails]:
    return render(
        error.status,
        error.code,
        error.detail,
        errors=list(error.problems),
        version=error.version if isinstance(error, VersionConflict) else None,
        headers=_headers(error),
    )


def _headers(error: AgentServiceError) -> dict[str, str] | None:
    match error:
        case Overloaded(retry_after=seconds):
            return {"retry-after": str(seconds)}
        case Unavailable():
            return {"retry-after": str(_RETRY_S)}
        case _:
            return None


def _of_validation(error: ValidationException) -> Response[ProblemDetails]:
    extra = cast("list[dict[str, Any]]", error.extra if isinstance(error.extra, list) else [])
    if any(each.get("key") == "data" for each in extra):
        return render(400, "bad_request", "The body is missing.")
    errors = [Problem(str(each.get("key")), str(each.get("message"))) for each in extra]
    if missing := _MISSING.match(error.detail):
        errors.append(Problem(missing[2], f"required in the {missing[1]}"))
    detail = "; ".join(f"{each.path}: {each.message}" for each in errors) or "The request is not valid."
    return render(422, "invalid", detail, errors=errors)
