"""Sessions that nobody uses go by themselves when that is set; what is used stays."""

import redis

from tests.conftest import wait_until
from tests.service import User

ARGUMENTS = ("--session-keep-s", "8")


async def test_a_session_that_nobody_uses_is_gone_and_leaves_no_key(ada: User, database: redis.Redis) -> None:
    agent = await ada.agent()
    left, used = await ada.session(agent), await ada.session(agent)
    await left.told("Hello")
    await left.idle()

    async def gone() -> bool:
        await used.told("I am still here")
        await used.idle()
        return (await ada.ask("GET", left.path("/status"))).status_code == 404

    await wait_until(gone, "nobody has used it for too long", within=60)

    async def without_trace() -> bool:
        return not list(database.scan_iter(f"*{left.session_id}*"))

    await wait_until(without_trace, "no key of it is there", within=15)
    assert (await left.say("Hello?")).status_code == 404
    assert (await ada.ask("GET", left.path())).status_code == 404
    listed = (await ada.ask("GET", f"/sessions/?agent_id={agent}")).json()["sessions"]
    assert [each["session"]["id"] for each in listed] == [used.session_id]
