"""Bodies that do not come as they should."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from msgspec.structs import replace

from agentsvc.app import create_app
from agentsvc.settings import Settings

LIMIT = 2048
LEAVE = {"type": "http.disconnect"}


def part(size: int, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": b" " * size, "more_body": more}


@pytest.fixture
async def narrow(settings: Settings):
    app = create_app(settings=replace(settings, max_body=LIMIT))
    async with app.lifespan():
        yield app


async def post(app: Any, events: Iterator[dict[str, Any]], length: int | None = None) -> int:
    """The status, when these events are all that is received; one more would be an error."""
    sizes = [] if length is None else [(b"content-length", str(length).encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/agent/",
        "raw_path": b"/agent/",
        "root_path": "",
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "headers": [(b"x-user-id", b"ada"), *sizes],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return next(events)

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    assert len(statuses) == 1
    return statuses[0]


@pytest.mark.parametrize("length", [None, LIMIT * 3])
async def test_a_client_that_sends_too_much_is_heard_out_before_it_is_answered(narrow: Litestar, length: int | None):
    events = iter([part(LIMIT), part(LIMIT), part(LIMIT, more=False)])

    status = await post(narrow, events, length)

    assert status == 413
    assert list(events) == []


async def test_nobody_waits_for_more_when_the_last_part_was_too_much(narrow: Litestar):
    assert await post(narrow, iter([part(LIMIT), part(1, more=False)])) == 413


async def test_a_client_without_end_is_not_heard_out(narrow: Litestar):
    events = iter([part(LIMIT)] * 100)

    status = await post(narrow, events)

    assert status == 413
    assert len(list(events)) > 50


async def test_a_client_that_leaves_in_the_middle_is_no_fault_of_ours(narrow: Litestar, caplog):
    statuses = [
        await post(narrow, iter([part(1), LEAVE])),
        await post(narrow, iter([part(LIMIT + 1), LEAVE])),
        await post(narrow, iter([LEAVE]), LIMIT + 1),
    ]

    assert statuses == [400] * 3
    assert caplog.records == []
