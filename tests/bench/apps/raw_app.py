"""The least that an ASGI service can do: tokens made here, sent to the subscribers. No model, no store, no checks."""

import asyncio
import os
import re
import time

from tests.bench.apps.asgi import App

_WANTED = re.compile(rb"\[\[n=(\d+)(?: d=(\d+))?")
# As long as an event of the reference.
_EVENT = b'data: {"type":"DELTA","id":"%s","reply":"%s","delta":"#%%06d:%%016d#","pad":"%s"}\n\n' % (
    b"0" * 32,
    b"1" * 32,
    b"p" * 112,
)


async def _reply(session: bytes, body: bytes) -> None:
    wanted = _WANTED.search(body)
    count, delay = (int(wanted[1]), int(wanted[2] or 0) / 1000) if wanted else (0, 0)
    began = time.monotonic()
    for number in range(count):
        app.put(session, _EVENT % (number, time.monotonic_ns() // 1000))
        if delay:
            await asyncio.sleep(began + (number + 1) * delay - time.monotonic())
    app.put(session, b'data: {"type":"END"}\n\n')


app = App(_reply, batch=os.environ.get("BENCH_BATCH") == "1")
