"""The way to the providers: one pooled HTTP client a process, retries, and answers as server-sent events.

aiohttp rather than httpx2: of a stream that comes token by token, one read costs 15 µs instead of 52.
"""

import asyncio
import logging
import random
import socket
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.http import HttpProcessingError
from aiohttp.resolver import ThreadedResolver
from msgspec import Struct
from yarl import URL

from agentsvc import telemetry
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import ErrorType
from agentsvc.models.addresses import AddressGuard, AddressRefused, refusal
from agentsvc.models.retries import Retry, is_transient, retry_after
from agentsvc.models.sse import EventParser, TooLong

_log = logging.getLogger(__name__)

_HEADERS = {"accept": "text/event-stream", "accept-encoding": "identity", "content-type": "application/json"}
_KINDS: Mapping[int, ErrorType] = {401: "authentication", 403: "permission", 429: "rate_limit", 408: "upstream"}
# What aiohttp raises when a connection or what comes over it is broken.
_Broken = aiohttp.ClientError | HttpProcessingError | OSError
_BROKEN = (aiohttp.ClientError, HttpProcessingError, OSError)
_EXCERPT = 1000
_NOT_A_STREAM = ("application/json", "text/html")


class Limits(Struct, frozen=True, kw_only=True):
    """``connect_s`` covers name, connection and TLS; ``read_s`` is the longest silence; ``event`` is in bytes."""

    connect_s: float = 10.0
    read_s: float = 120.0
    event: int = 8 * 1024 * 1024


_RETRY = Retry()
_LIMITS = Limits()


class Call(Struct, frozen=True, kw_only=True):
    """One request to a provider. ``secrets`` are what no error may repeat."""

    url: str
    body: bytes
    headers: dict[str, str] = {}
    secrets: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Call(url={self.url!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", self.url)]


class Events:
    """An answer on its way: what each read brought, as the data of its events."""

    __slots__ = ("_content", "_parser", "_piece")

    def __init__(self, content: aiohttp.StreamReader, first: bytes, limit: int) -> None:
        self._content = content
        self._piece = first
        self._parser = EventParser(limit)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[bytes]:
        """Raises ``ModelError``: "connection" when the answer is cut, "upstream" when it is not understood."""
        try:
            while piece := self._piece or await self._content.readany():
                self._piece = b""
                if events := self._parser.feed(piece):
                    return events
        except TooLong as error:
            raise ModelError("upstream", str(error)) from None
        except _BROKEN as error:
            raise _classified(error) from None
        raise StopAsyncIteration


class Transport:
    """Open it once a process with ``async with``.

    It holds no cookies, follows no redirects and heeds no proxy variables. Parallel streams are limited only by the
    file descriptors of the process.
    """

    def __init__(self, guard: AddressGuard | None = None, *, retry: Retry = _RETRY, limits: Limits = _LIMITS) -> None:
        self._guard = guard or AddressGuard()
        self._retry = retry
        self._limits = limits
        self._client: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=_GuardedResolver(self._guard), keepalive_timeout=60),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": "agentsvc"},
            timeout=aiohttp.ClientTimeout(total=None, connect=self._limits.connect_s, sock_read=self._limits.read_s),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()
            self._client = None

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncGenerator[Events, None]:
        """The answer to a call. Leaving it early ends the request. Raises ``ModelError``.

        Until the first byte of an answer has come, what may be transient is tried again.
        """
        response, first = await self._opened(call)
        try:
            with _ending_with_its_connection(response):
                yield Events(response.content, first, self._limits.event)
                await _drained(response.content)
        finally:
            response.close()

    async def _opened(self, call: Call) -> tuple[aiohttp.ClientResponse, bytes]:
        attempt = 0
        while True:
            try:
                return await self._attempt(call)
            except _Transient as error:
                wait = self._retry.delay(attempt, error.retry_after, random.random())  # noqa: S311 - jitter
                if wait is None:
                    raise
                attempt += 1
                _log.info("model request failed (%s), attempt %d in %.1f s", error.kind, attempt + 1, wait)
            await asyncio.sleep(wait)

    async def _attempt(self, call: Call) -> tuple[aiohttp.ClientResponse, bytes]:
        if self._client is None:
            raise RuntimeError("the transport is not open")
        url = _checked(call, self._guard)
        try:
            response = await self._client.post(
                url, data=call.body, headers={**_HEADERS, **call.headers}, allow_redirects=False
            )
        except AddressRefused as error:
            raise ModelError("invalid_request", str(error)) from None
        except _BROKEN as error:
            raise _classified(error) from None
        try:
            with _ending_with_its_connection(response):
                return response, await _first_bytes(response, call)
        except BaseException as error:
            response.close()
            if isinstance(error, _Broken):
                raise _classified(error) from None
            raise


class _Transient(ModelError):
    """It may go away by itself."""


class _GuardedResolver(ThreadedResolver):
    """Gives the connector only addresses that may be reached: it connects to these and asks nobody else."""

    def __init__(self, guard: AddressGuard) -> None:
        super().__init__()
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        permitted = [each for each in found if self._guard.permits(host, each["host"])]
        if found and not permitted:
            raise AddressRefused(refusal(host))
        return permitted


def endpoint(base_url: str, path: str) -> str:
    """The URL of ``path`` below a base URL; a query in the base stays. Raises ``ModelError``."""
    try:
        base = URL(base_url.strip())
        return str(base.with_path(base.raw_path.rstrip("/") + path, encoded=True, keep_query=True))
    except ValueError:
        raise ModelError("invalid_request", "the base URL cannot be read") from None


def mask(text: str, secrets: tuple[str, ...]) -> str:
    for secret in filter(None, secrets):
        for form in telemetry.spellings(secret):
            text = text.replace(form, telemetry.MASK)
    return text


def excerpt(body: bytes | str, secrets: tuple[str, ...]) -> str:
    """What a provider said, for the log: short, and without the secrets."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    return mask(text, secrets)[:_EXCERPT]


def kind_of(status: int) -> ErrorType:
    """What a status says about who has to act."""
    return _KINDS.get(status) or ("upstream" if status >= 500 or status == 409 else "invalid_request")


def _checked(call: Call, guard: AddressGuard) -> URL:
    try:
        url = URL(call.url)
    except ValueError:
        raise ModelError("invalid_request", "the base URL cannot be read") from None
    if url.scheme not in ("http", "https") or not url.raw_host:
        raise ModelError("invalid_request", "the base URL must begin with http:// or https://")
    if url.raw_user is not None or url.raw_password is not None:
        raise ModelError("invalid_request", "the base URL must not hold a user or a password")
    if any(not value.isprintable() for value in call.headers.values()):
        raise ModelError("invalid_request", "a header holds characters that cannot be sent; look at the API key")
    try:
        guard.check_literal(url.raw_host)
    except AddressRefused as error:
        raise ModelError("invalid_request", str(error)) from None
    return url


async def _first_bytes(response: aiohttp.ClientResponse, call: Call) -> bytes:
    if response.status == 200 and response.content_type not in _NOT_A_STREAM:
        return await response.content.readany()
    said = excerpt(await _bounded(response.content), call.secrets)
    if 200 <= response.status < 300:
        raise ModelError("upstream", f"no event stream but {response.content_type}: {said}")
    if response.status < 400:
        raise ModelError("invalid_request", f"a redirect ({response.status}), which is not followed")
    error = _Transient if is_transient(response.status) else ModelError
    wait = retry_after(response.headers, time.time())
    raise error(kind_of(response.status), f"status {response.status}: {said}", retry_after=wait)


@contextmanager
def _ending_with_its_connection(response: aiohttp.ClientResponse) -> Generator[None]:
    """Tell the body when its connection is gone: aiohttp 3.14 forgets it when a chunk is malformed, and reads hang."""
    protocol = response.connection.protocol if response.connection is not None else None
    closed = protocol.closed if protocol is not None else None
    if protocol is None or closed is None:  # all of it has come
        yield
        return

    def end(_: object) -> None:
        if not response.content.is_eof() and response.content.exception() is None:
            response.content.set_exception(protocol.exception() or aiohttp.ClientPayloadError("the answer was cut"))

    closed.add_done_callback(end)
    try:
        yield
    finally:
        closed.remove_done_callback(end)


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    """The beginning of a body: enough that no secret can stand half outside of an excerpt."""
    pieces: list[bytes] = []
    while sum(map(len, pieces)) < 16 * _EXCERPT and (piece := await content.readany()):
        pieces.append(piece)
    return b"".join(pieces)


async def _drained(content: aiohttp.StreamReader) -> None:
    """Read the end of a finished answer, when it is there, so that the connection can serve another."""
    try:
        async with asyncio.timeout(0.25):
            while not content.at_eof():
                await content.readany()
    except _BROKEN:
        pass


def _classified(error: _Broken) -> ModelError:
    if isinstance(error, aiohttp.InvalidURL):
        return ModelError("invalid_request", "the base URL cannot be read")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return _Transient("connection", "no connection in time")
    if isinstance(error, TimeoutError):
        return ModelError("connection", "the provider fell silent")
    if isinstance(error, aiohttp.ClientSSLError):
        return ModelError("connection", f"TLS failed: {error}")
    if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
        # After the colon the provider is quoted, and nobody knows what it said.
        return ModelError("upstream", f"not HTTP: {error.message.partition(':')[0]}")
    words = str(error) if isinstance(error, OSError) else ""
    return _Transient("connection", words or type(error).__name__)
