"""Whatever happens to a reply, its events are what the agent remembers, and the session goes on."""

from hypothesis import HealthCheck, given, note, settings

from tests.agent.ledger import arrived
from tests.agent.lives import Life
from tests.agent.scripts import SCRIPTS, Script, Turn
from tests.agent.toolbox import AGAIN
from tests.agent.wholeness import (
    check_message,
    check_order,
    check_questions,
    discarded,
    ends_with,
    folded,
    leaves_no_trace,
    sound,
)


def check(life: Life) -> None:
    state, ended = life.state, not life.open
    message = folded(life.kept)

    assert folded(life.seen) == message
    check_order(life.kept, ended=ended)
    check_message(message, ended=ended)
    check_questions(state, life.waiting)
    assert arrived(message) == life.taken
    if ended and discarded(life.kept):
        assert leaves_no_trace(state, message)
        assert sound(state.context)
    elif ended:
        assert ends_with(state, message)
        assert message.finished_reason != "completed" or (message.structured_output is not None) is life.structured
        assert sound(state.context)
    else:
        assert state.context[-1] == message
        assert life.waiting
        assert message.finished_reason is None


@settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(SCRIPTS)
async def test_a_session_is_whole_after_every_step_of_any_life(script: Script) -> None:
    note(str(script))
    life = Life(script)
    for turn in script.turns:
        await life.begin(turn)
        check(life)
        for reaction in turn.reactions:
            if life.open:
                await life.react(reaction)
                check(life)
        if life.open:
            await life.stop()
            check(life)
        assert not life.open

    once = {key: times for key, times in life.box.ran.items() if key[0] != AGAIN}
    assert set(once.values()) <= {1}
    await life.calm()
    await life.begin(Turn(reactions=[], deaths=[], structured=False))
    assert life.state.context[-1].finished_reason == "completed"
    check(life)
