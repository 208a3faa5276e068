"""Requests that may be sent again: the header ``Idempotency-Key``."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Annotated, Any, TypeVar

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import HeaderParameter

from agentsvc.domain.ids import NewId, OwnerId, new_id
from agentsvc.http.identity import UserId
from agentsvc.services.once import Once

T = TypeVar("T")


@dataclass(frozen=True)
class Attempt:
    """One sending of a request."""

    once: Once
    owner: OwnerId
    key: str | None
    fingerprint: str

    async def carry_out(self, act: Callable[[NewId], Awaitable[T]], form: type[T]) -> T:
        """What ``act`` answers, or answered when the same request came before.

        ``act`` is given where the ids of all that it makes come from.
        """
        if self.key is None:
            return await act(new_id)
        return await self.once.do(self.owner, self.key, self.fingerprint, act, form)


async def attempt(
    request: Request[Any, Any, Any],
    user_id: UserId,
    once: NamedDependency[Once],
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            schema_extra={"minLength": 1, "maxLength": 255},
            description="Sent again with the same key, a request is carried out once and answered the same, for a day.",
        ),
    ] = None,
) -> Attempt:
    if idempotency_key is None:
        return Attempt(once, user_id, None, "")
    told = blake2b(f"{request.method} {request.url.path}?{request.url.query}\n".encode(), digest_size=16)
    told.update(await request.body())
    return Attempt(once, user_id, idempotency_key, told.hexdigest())
