"""A Granian in the loop of the test, on a real socket."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

from tests.conftest import wait_until


@asynccontextmanager
async def served(app: Any) -> AsyncGenerator[str]:
    """The URL of a server that has started, with the lifespan of the app around it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    try:
        await wait_until(lambda: _listens(port), "the server listens", within=10)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()
        await asyncio.wait_for(serving, 10)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True
