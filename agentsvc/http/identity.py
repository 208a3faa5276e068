"""Who sends a request: known before anything else of it is looked at."""

import inspect
import unicodedata
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.openapi.spec import SecurityScheme
from litestar.types import ASGIApp, Receive, Scope, Send

from agentsvc import telemetry
from agentsvc.domain.errors import Unauthorized
from agentsvc.domain.ids import OwnerId

AnyRequest = Request[Any, Any, Any]
UserId = NamedDependency[OwnerId]

_KEY = "agentsvc.user_id"
_EXPIRES = "agentsvc.expires"
_LONGEST = 256


@dataclass(frozen=True)
class Auth:
    """How users are told apart.

    ``user_id`` is given the request and returns the id of who sent it; it may be async, and must not block. It raises
    ``Unauthorized`` or Litestar's ``NotAuthorizedException``. ``scheme`` is what the OpenAPI document says about it,
    under ``name``. ``expires`` is given the same request and says until when it holds, in Unix seconds: a stream ends
    then.
    """

    user_id: Callable[[AnyRequest], str | Awaitable[str]]
    scheme: SecurityScheme | None = None
    name: str = "user"
    expires: Callable[[AnyRequest], float | None] | None = None


def user_of_header(request: AnyRequest) -> str:
    """``X-User-ID``, believed as it is: a placeholder for a proxy or an app that knows its users."""
    sent = request.headers.getall("x-user-id", [])
    if len(sent) > 1:
        raise Unauthorized("X-User-ID was sent more than once.")
    try:
        return sent[0].encode("latin-1").decode() if sent else ""
    except UnicodeError:
        raise Unauthorized("X-User-ID is not UTF-8.") from None


HEADER = Auth(
    user_of_header,
    SecurityScheme(
        type="apiKey",
        name="X-User-ID",
        security_scheme_in="header",
        description="The user who sends the request, believed as it is.",
    ),
)


class Identity(ASGIMiddleware):
    """Lets no request pass that does not say who sends it."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, auth: Auth) -> None:
        self._auth = auth

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        request = AnyRequest(scope, receive, send)
        told = self._auth.user_id(request)
        owner = checked(await told if inspect.isawaitable(told) else told)
        scope["state"][_KEY] = owner
        scope["state"][_EXPIRES] = self._auth.expires(request) if self._auth.expires is not None else None
        with telemetry.bound(user=owner):
            await next_app(scope, receive, send)


def checked(user_id: str) -> OwnerId:
    """An id that can own things, whoever vouched for it. Raises Unauthorized."""
    if not user_id:
        raise Unauthorized
    if len(user_id) > _LONGEST:
        raise Unauthorized(f"The user id is longer than {_LONGEST} characters.")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in user_id):
        raise Unauthorized("The user id has control characters.")
    return OwnerId(user_id)


def user_id(request: AnyRequest) -> OwnerId:
    """The dependency of that name."""
    return OwnerId(request.scope["state"][_KEY])


def expires(request: AnyRequest) -> float | None:
    """When the identity of this request ends, in Unix seconds."""
    when: float | None = request.scope["state"][_EXPIRES]
    return when
