"""Once: a request that carries an idempotency key is carried out once, however often it is sent."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from agentsvc.domain.errors import AgentServiceError, Invalid, Problem
from agentsvc.domain.ids import NewId, OwnerId, derived
from agentsvc.storage.idempotency import Answer, Claim
from agentsvc.storage.store import StorageBase

T = TypeVar("T")

_LONGEST = 255

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Once:
    storage: StorageBase

    async def do(
        self, owner: OwnerId, key: str, fingerprint: str, act: Callable[[NewId], Awaitable[T]], form: type[T]
    ) -> T:
        """What ``act`` returns, now or the first time. It is kept for a day, so no secret may be in it.

        ``fingerprint`` stands for all of the request. An act that raises a domain error has changed nothing and may be
        tried again; after any other error the key is taken for a minute, since nobody knows. Raises Conflict while the
        same request is being carried out, Invalid when the key was sent with another one.

        ``act`` is given the ids of what it makes. They are the same each time: an act whose answer nobody could keep is
        carried out again, finds what is there, and answers the same.
        """
        if not 0 < len(key) <= _LONGEST:
            problem = Problem("Idempotency-Key", f"expected 1 to {_LONGEST} characters")
            raise Invalid(f"{problem.path}: {problem.message}", (problem,))
        claim = await self.storage.of(owner).idempotency.claim(key, fingerprint)
        if isinstance(claim, Answer):
            return msgspec.json.decode(claim.body, type=form)
        try:
            answer = await act(derived(owner, key, fingerprint))
        except AgentServiceError:
            await self.storage.of(owner).idempotency.free(claim)
            raise
        await self._keep(owner, claim, msgspec.json.encode(answer))
        return answer

    async def _keep(self, owner: OwnerId, claim: Claim, body: bytes) -> None:
        try:
            await self.storage.of(owner).idempotency.keep(claim, Answer(status=200, body=body))
        except ConnectionError as error:  # it is done, and the client shall hear of it
            log.warning("an answer could not be kept for its idempotency key: %s", error)
