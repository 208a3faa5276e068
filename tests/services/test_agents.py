"""Agents belong to one user and change without losing what others changed."""

import msgspec
import pytest

from agentsvc.domain.agents import AgentRecord, CreateAgent, InviteConfig, RunConfig, UpdateAgent
from agentsvc.domain.errors import NotFound, VersionConflict
from agentsvc.domain.ids import AgentId
from agentsvc.services.agents import Agents
from tests.services.conftest import ADA, BEA


async def test_an_agent_knows_its_id(agents: Agents):
    agent = await agents.create(ADA, CreateAgent(name="Ada", system_prompt="You sing."))

    found = await agents.get(ADA, AgentId(agent.id))

    assert found == agent
    assert found.data.id == found.id
    assert found.data.system_prompt == "You sing."


async def test_what_is_not_sent_or_null_stays(agents: Agents):
    agent = await agents.create(ADA, CreateAgent(name="Ada", system_prompt="You sing."))
    agent_id = AgentId(agent.id)

    same = await agents.update(ADA, agent_id, UpdateAgent(name=None, system_prompt="You sing."))
    changed = await agents.update(ADA, agent_id, UpdateAgent(invite_config=InviteConfig(invitable=False)))
    renamed = await agents.update(ADA, agent_id, UpdateAgent(name="Bea"))

    assert same == changed == agent
    assert (renamed.data.name, renamed.data.system_prompt) == ("Bea", "You sing.")
    assert renamed.version == 2


async def test_an_old_version_is_not_changed(agents: Agents):
    agent_id = AgentId((await agents.create(ADA, CreateAgent(name="Ada"))).id)
    await agents.update(ADA, agent_id, UpdateAgent(name="Bea"), version=1)

    with pytest.raises(VersionConflict) as conflict:
        await agents.update(ADA, agent_id, UpdateAgent(name="Cleo"), version=1)

    assert conflict.value.version == 2


async def test_another_owner_has_no_way_to_it(agents: Agents):
    agent_id = AgentId((await agents.create(ADA, CreateAgent(name="Ada"))).id)

    for attempt in (
        agents.get(BEA, agent_id),
        agents.update(BEA, agent_id, UpdateAgent(name="Mine")),
        agents.delete(BEA, agent_id),
    ):
        with pytest.raises(NotFound):
            await attempt

    assert (await agents.get(ADA, agent_id)).version == 1
    assert (await agents.page(BEA, 10)).total == 0


async def test_how_long_a_run_may_take_is_kept_until_it_is_changed(agents: Agents):
    made = await agents.create(ADA, CreateAgent(name="Ada", run_config=RunConfig(time_limit=30)))
    agent_id = AgentId(made.id)

    same = await agents.update(ADA, agent_id, UpdateAgent(name="Bea", run_config=None))
    unlimited = await agents.update(ADA, agent_id, UpdateAgent(run_config=RunConfig()))

    assert [each.data.run_config.time_limit for each in (made, same, unlimited)] == [30, 30, None]


async def test_an_agent_of_before_there_were_limits_has_none():
    old = b'{"user_id":"ada","id":"a1","data":{"id":"a1","name":"Ada"}}'

    assert msgspec.json.decode(old, type=AgentRecord).data.run_config == RunConfig()
