"""Every answer has an ``X-Request-ID``, by which the log is searched."""

import re

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from agentsvc import telemetry
from agentsvc.domain.ids import new_id

_KEY = "agentsvc.request_id"
_SENT = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


class RequestIds(ASGIMiddleware):
    """What is logged while a request is answered belongs to it."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        with telemetry.bound(request_id=_request_id(scope)):
            await next_app(scope, receive, send)


class Signature:
    """A ``before_send`` hook, since no middleware sees what is refused before a route is found.

    ``prefix`` says which answers are ours.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix.rstrip("/")

    async def __call__(self, message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start" and self._is_ours(scope["path"]):
            MutableScopeHeaders.from_message(message)["x-request-id"] = _request_id(scope)

    def _is_ours(self, path: str) -> bool:
        return path.startswith(self._prefix) and path[len(self._prefix) :][:1] in {"", "/"}


def _request_id(scope: Scope) -> str:
    """The one that came with the request, if it can be trusted to be one."""
    known = scope["state"].get(_KEY)
    if known is None:
        sent = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        known = scope["state"][_KEY] = sent.decode() if _SENT.fullmatch(sent) else new_id()
    return str(known)
