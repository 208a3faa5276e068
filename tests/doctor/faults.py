"""One fault of each kind, made by hand."""

from collections.abc import Awaitable, Callable

from agentsvc.bus.leases import Grant
from agentsvc.bus.survey import Survey
from agentsvc.doctor.findings import Kind
from agentsvc.domain.ids import SessionId
from agentsvc.domain.runs import encode_request
from tests.conftest import wait_until
from tests.doctor.conftest import ADA, LEASE, WELL, Home

_PAST = 1  # ms after 1970


async def orphan_key(home: Home) -> None:
    await home.redis.run("SET", "{s:gone}:state", "{}")
    await home.redis.run("HSET", "{s:gone}:run:r1", "status", "queued")


async def headless_session(home: Home) -> None:
    await home.say(await home.session("lost"))
    await home.bus.queue.push(home.request("lost"))
    await home.redis.each(*(("DEL", key) for key in await home.keys() if key.startswith((b"{s:lost}:run", b"{q:"))))
    await home.bus.queue.open()


async def unowned_session(home: Home) -> None:
    await home.bus.heads.create(ADA, SessionId("unowned"), home.request("").agent_id)
    await home.redis.run("SET", "{s:unowned}:state", "{}")


async def ownerless_head(home: Home) -> None:
    await home.redis.run("HSET", "{s:nobody}:run", "status", "idle")


async def retired_session(home: Home) -> None:
    session = await home.session("old")
    await home.redis.run("HDEL", f"{{s:{session}}}:run", "owner")
    await home.redis.run("HSET", f"{{s:{session}}}:run", "retired", ADA)


async def dangling_entry(home: Home) -> None:
    await home.session("there")
    await home.redis.run("DEL", "{o:ada}:session:there")
    await home.bus.heads.remove(SessionId("there"))
    await home.redis.run("ZADD", "{o:ada}:answered-approval", 1, "there:c1")
    await home.redis.run("ZADD", "{o:ada}:pending-approval", 1, "c1")


async def unlisted_record(home: Home) -> None:
    await home.session("hidden")
    for index in ("{o:ada}:session", "{o:ada}:session:of:a1"):
        await home.redis.run("ZREM", index, "hidden")


async def unknown_key(home: Home) -> None:
    await home.redis.run("SET", "{o:ada}:secret:1", "?")
    await home.redis.run("SET", b"{s:\xff\x1b[31m}\n:run", "?")


async def wrong_type(home: Home) -> None:
    await home.redis.run("SET", f"{{s:{WELL}}}:log", "?")


async def immortal_key(home: Home) -> None:
    await home.redis.run("SET", "{o:ada}:wrote:" + 32 * "0", "")
    await home.redis.run("HSET", "{w:w1}:presence", "host", "there")
    await home.redis.run("HSET", f"{{s:{WELL}}}:run:r1", "ended", 1)
    await home.redis.run("HSET", f"{{s:{WELL}}}:run:r2", "started", 1)


async def stuck_run(home: Home) -> None:
    request = await home.say(await home.session("stuck"))
    assert isinstance(await home.bus.leases.take(request, "dead"), Grant)
    await home.redis.run("DEL", "{q:0}:accepting")

    async def over() -> bool:
        (standing,) = await Survey(home.redis).standings([SessionId("stuck")])
        return not standing.held

    await wait_until(over, "the lease is over")


async def stranded_inbox(home: Home) -> None:
    await home.say(await home.session("stranded"))
    await home.redis.run("DEL", "{q:0}:accepting")


async def held_requests(home: Home) -> None:
    """As when somebody deletes the stream."""
    for number in range(12):
        await home.bus.queue.push(await home.say(await home.session(f"held{number}")))
    await home.redis.run("XTRIM", "{q:0}:runs", "MAXLEN", 0)
    for number in range(8):
        await home.redis.run("DEL", f"{{s:held{number}}}:inbox")


async def silent_claim(home: Home) -> None:
    await home.bus.queue.push(await home.say(await home.session("claimed")))
    await home.bus.queue.claim(0, "dead", 1, 100)
    await _silent(home)


async def silent_worker(home: Home) -> None:
    await home.redis.run("XGROUP", "CREATECONSUMER", "{q:0}:runs", "workers", "dead")
    await _silent(home)


async def _silent(home: Home) -> None:
    async def silent() -> bool:
        (consumer,) = await Survey(home.redis).consumers(0)
        return consumer.idle_ms > 5 * LEASE * 1000

    await wait_until(silent, "the worker has been silent for long")


async def dead_request(home: Home) -> None:
    await home.redis.run("XADD", "{q:0}:runs", f"{_PAST}-0", "r", encode_request(home.request("gone")))


async def unreadable_request(home: Home) -> None:
    await home.redis.run("XADD", "{q:0}:runs", "*", "r", b"\xff{")


async def late_announcement(home: Home) -> None:
    request = await home.say(await home.session("unannounced"))
    await home.redis.run("ZADD", "{q:0}:accepting", _PAST, request.note)


async def late_removal(home: Home) -> None:
    await home.session("leaving")
    await home.redis.run("ZADD", "{q:0}:removing", _PAST, b'["ada","session","leaving"]')


async def late_expiry(home: Home) -> None:
    await home.redis.run("ZADD", "{q:0}:expiring", _PAST, b'["ada","well","c1"]')


async def unreadable_note(home: Home) -> None:
    for name in ("accepting", "removing", "expiring"):
        await home.redis.run("ZADD", f"{{q:0}}:{name}", _PAST, b"\xff[")


REPAIRED: list[tuple[Kind, Callable[[Home], Awaitable[None]]]] = [
    ("dead-request", dead_request),  # the oldest of a stream can only come first
    ("orphan-key", orphan_key),
    ("unowned-session", unowned_session),
    ("unowned-session", ownerless_head),
    ("retired-session", retired_session),
    ("dangling-entry", dangling_entry),
    ("unlisted-record", unlisted_record),
    ("immortal-key", immortal_key),
    ("stuck-run", stuck_run),
    ("stranded-inbox", stranded_inbox),
    ("held-requests", held_requests),
    ("silent-claim", silent_claim),
    ("silent-worker", silent_worker),
    ("unreadable-request", unreadable_request),
    ("late-announcement", late_announcement),
    ("late-removal", late_removal),
    ("unreadable-note", unreadable_note),
]

# What a fault brings with it.
BESIDE: dict[Kind, set[Kind]] = {"silent-claim": {"silent-worker"}}

LEFT: list[tuple[Kind, Callable[[Home], Awaitable[None]]]] = [
    ("headless-session", headless_session),
    ("unknown-key", unknown_key),
    ("wrong-type", wrong_type),
    ("late-expiry", late_expiry),
]
