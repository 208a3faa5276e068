"""An agent that cannot be made says why, and a run that took its workers down is given up."""

import pytest

from agentsvc.agent.agent import Agent
from agentsvc.agent.model import ModelRequest
from agentsvc.bus.leases import Grant
from agentsvc.domain.errors import ModelError
from agentsvc.domain.ids import RunId
from agentsvc.runs.prepare import Prepare
from tests.runs.conftest import AGENT, OWNER, SESSION


def grant(attempts: int) -> Grant:
    return Grant(
        session_id=SESSION,
        owner=OWNER,
        agent_id=AGENT,
        run_id=RunId("r1"),
        token="t1",
        fence=1,
        seq=0,
        resumed=True,
        attempts=attempts,
        stop=None,
        known=False,
        state=b"",
        context=[],
        inbox=[],
    )


def told(agent: Agent) -> str | None:
    with pytest.raises(ModelError) as raised:
        agent.model.stream(ModelRequest([]))
    return raised.value.told


async def test_a_run_that_failed_three_times_is_given_up() -> None:
    prepare = object.__new__(Prepare)

    assert told(await prepare.agent(grant(attempts=3), None)) == "The reply failed 3 times and was given up."
    assert told(await prepare.agent(grant(attempts=2), None)) == "The session is gone."
