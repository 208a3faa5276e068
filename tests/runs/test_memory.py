"""A worker remembers a session between turns, as long as nobody else has held it."""

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.keys import SessionKeys
from agentsvc.bus.leases import Grant
from agentsvc.domain.ids import SessionId
from agentsvc.domain.messages import decode_message
from agentsvc.domain.states import AgentState
from agentsvc.runs.journal import Stored
from agentsvc.runs.memory import Memory, Remembered
from agentsvc.runs.run import Run
from tests.fakes.models import text
from tests.runs.conftest import AGENT, OWNER, SESSION, Actors, Say, granted, request


def remembered(size: int) -> Remembered:
    return Remembered("t1", AgentState(session_id="s"), Stored([], []), size)


def test_the_least_recently_used_is_given_up_when_all_together_are_too_large() -> None:
    memory = Memory(100, 60.0)
    for name, size in (("a", 40), ("b", 40), ("c", 40), ("d", 101)):
        memory.keep(SessionId(name), remembered(size), 0.0)

    held = {name for name in "abcd" if memory.take(SessionId(name)) is not None}

    assert held == {"b", "c"}
    memory.keep(SessionId("e"), remembered(100), 0.0)
    assert memory.take(SessionId("e")) is not None


def test_what_is_taken_is_forgotten() -> None:
    memory = Memory(100, 60.0)
    memory.keep(SESSION, remembered(10), 0.0)

    assert memory.take(SESSION) is not None
    assert memory.take(SESSION) is None


def test_nothing_is_remembered_for_long() -> None:
    memory = Memory(100, 60.0)
    memory.keep(SessionId("a"), remembered(40), 0.0)
    memory.keep(SessionId("b"), remembered(40), 1.0)

    memory.age(60.5)

    assert memory.take(SessionId("a")) is None
    assert memory.take(SessionId("b")) is not None


async def turn(bus: RedisMessageBus, worker: str, before: Remembered | None = None) -> tuple[Grant, Run]:
    taken = await bus.leases.take(request(), worker, before.token if before is not None else "")
    assert isinstance(taken, Grant)
    run = Run(bus, Actors(text("Well")), taken, remembered=before)
    assert await run.carry_out()
    return taken, run


def texts(run: Run) -> list[str | None]:
    return [message.text() for message in run.remembered.state.context]


async def test_nothing_is_read_again_while_nobody_else_holds_the_session(bus: RedisMessageBus, say: Say) -> None:
    await say("one")
    _, first = await turn(bus, "w1")
    await say("two")

    taken, second = await turn(bus, "w1", first.remembered)

    assert (taken.known, taken.context, taken.state) == (True, [], b"")
    assert texts(second) == ["one", "Well", "two", "Well"]
    kept = await raw(bus, say)
    assert [decode_message(each).text() for each in kept] == texts(second)
    assert [len(each) for each in kept] == second.remembered.stored.lengths


async def test_what_another_worker_has_added_is_read(bus: RedisMessageBus, say: Say) -> None:
    await say("one")
    _, first = await turn(bus, "w1")
    await say("two")
    await turn(bus, "w2")
    await say("three")

    taken, third = await turn(bus, "w1", first.remembered)

    assert not taken.known
    assert texts(third) == ["one", "Well", "two", "Well", "three", "Well"]


async def test_a_session_that_was_made_anew_under_the_same_id_is_not_the_one_remembered(
    bus: RedisMessageBus, say: Say
) -> None:
    await say("one")
    _, first = await turn(bus, "w1")
    await bus.heads.remove(SESSION)
    await bus.heads.create(OWNER, SESSION, AGENT)
    await say("two")
    await turn(bus, "w2")
    await say("three")

    taken, third = await turn(bus, "w1", first.remembered)

    assert not taken.known
    assert texts(third) == ["two", "Well", "three", "Well"]


async def test_nothing_is_known_of_a_session_to_whom_knows_nothing(bus: RedisMessageBus, say: Say) -> None:
    await say("one")

    taken = await granted(bus)

    assert not taken.known


async def test_what_cannot_be_read_is_not_counted_when_the_rest_is_remembered(bus: RedisMessageBus, say: Say) -> None:
    names = SessionKeys(SESSION)
    await say("one")
    await turn(bus, "w1")
    await bus._redis.run("LSET", names.context, 0, "{broken")
    await bus._redis.run("XADD", names.inbox, "*", "i", "{broken")
    _, second = await turn(bus, "w2")
    await say("three")

    taken, third = await turn(bus, "w2", second.remembered)

    assert taken.known
    assert texts(third) == ["Well", "three", "Well"]
    assert [decode_message(each).text() for each in await raw(bus, say)] == texts(third)


async def raw(bus: RedisMessageBus, say: Say) -> list[bytes]:
    """The context as it is stored, as somebody reads it who knows nothing."""
    await say("who reads")
    return (await granted(bus, "w9")).context
