"""Sessions: record and head come, stay and go together."""

from typing import Any

import pytest
from msgspec import UNSET
from msgspec.json import encode
from msgspec.structs import replace

from agentsvc.bus.bus import RedisMessageBus
from agentsvc.bus.keys import of_session
from agentsvc.domain.agents import CreateAgent
from agentsvc.domain.errors import Invalid, NotFound, SessionBusy
from agentsvc.domain.ids import AgentId, SessionId
from agentsvc.domain.messages import Msg
from agentsvc.domain.permissions import PermissionContext, PermissionRule
from agentsvc.domain.runs import Messages, RunRequest
from agentsvc.domain.sessions import ChatModelConfig, CreateSession, KnowledgeConfig, UpdateSession
from agentsvc.domain.states import AgentState, Task, TasksContext
from agentsvc.models.demo import DEMO_CONFIG
from agentsvc.services.agents import Agents
from agentsvc.services.credentials import Credentials
from agentsvc.services.sessions import Sessions
from tests.services.conftest import ADA, BEA


@pytest.fixture
async def agent(agents: Agents) -> AgentId:
    return AgentId((await agents.create(ADA, CreateAgent(name="Ada"))).id)


@pytest.fixture
async def session(sessions: Sessions, agent: AgentId) -> SessionId:
    return SessionId((await sessions.create(ADA, CreateSession(agent_id=agent, name="Roots"))).id)


async def test_a_session_without_a_head_gets_one(
    sessions: Sessions, bus: RedisMessageBus, agent: AgentId, session: SessionId
):
    await bus.heads.remove(session)

    status = await sessions.status(ADA, session, agent)

    assert status.status == "idle"
    assert (await bus.heads.get(ADA, session, agent)).agent_id == agent


async def test_nobody_revives_what_is_not_theirs(
    sessions: Sessions, bus: RedisMessageBus, agent: AgentId, session: SessionId
):
    await bus.heads.remove(session)

    for owner, of_agent in ((BEA, agent), (ADA, AgentId("other"))):
        with pytest.raises(NotFound):
            await sessions.revive(owner, session, of_agent)

    assert await bus.heads.many(ADA, [session]) == [None]


async def test_a_session_that_goes_while_it_is_revived_stays_away(
    sessions: Sessions, bus: RedisMessageBus, agent: AgentId, session: SessionId, monkeypatch
):
    create = bus.heads.create

    async def too_late(*names: Any) -> None:
        await sessions.delete(ADA, session, agent)
        await create(*names)

    monkeypatch.setattr(bus.heads, "create", too_late)

    with pytest.raises(NotFound):
        await sessions.revive(ADA, session, agent)

    assert await bus.heads.many(ADA, [session]) == [None]


async def test_a_session_that_runs_cannot_be_changed(
    sessions: Sessions, bus: RedisMessageBus, agent: AgentId, session: SessionId
):
    message = Msg.user("Hello")
    await bus.inbox.accept(RunRequest(owner=ADA, session_id=session, agent_id=agent), Messages([message]), [message])

    with pytest.raises(SessionBusy):
        await sessions.update(ADA, session, agent, UpdateSession(name="Other"))

    assert (await sessions.get(ADA, session, agent)).session.config.name == "Roots"


async def test_a_session_shows_its_plan_and_its_rules_also_when_it_is_changed(
    sessions: Sessions, bus: RedisMessageBus, agent: AgentId, session: SessionId
):
    rule = PermissionRule(tool_name="Bash", rule_content="make:*", behavior="allow")
    state = AgentState(session_id=session, permission_context=PermissionContext(allow_rules={"Bash": [rule]}))
    state.tasks_context = TasksContext(tasks=[Task(id="1", subject="Dig", description="A hole", created_at="")])
    await bus._redis.run("SET", of_session(session).state, encode(state))

    changed = await sessions.update(ADA, session, agent, UpdateSession(permission_mode="explore"))

    for shown in (changed.state, (await sessions.get(ADA, session, agent)).session.state):
        assert shown is not None
        assert shown.tasks_context == state.tasks_context
        assert shown.permission_context == replace(state.permission_context, mode="explore")


async def test_a_change_is_only_of_what_was_sent(sessions: Sessions, agent: AgentId, session: SessionId):
    await sessions.update(ADA, session, agent, UpdateSession(chat_model_config=DEMO_CONFIG, cwd="/srv"))

    changed = await sessions.update(ADA, session, agent, UpdateSession(cwd=None, name=UNSET))
    same = await sessions.update(ADA, session, agent, UpdateSession(cwd=None))

    assert changed.config.chat_model_config == DEMO_CONFIG
    assert changed.config.cwd is None
    assert changed.config.name == "Roots"
    assert same == changed


async def test_a_configuration_names_only_what_its_owner_has(
    sessions: Sessions, credentials: Credentials, agent: AgentId, session: SessionId
):
    theirs = await credentials.create(BEA, {"type": "openai_credential", "api_key": "sk-4711-4711"})
    ours = await credentials.create(ADA, {"type": "openai_credential", "api_key": "sk-4711-4711"})
    foreign = ChatModelConfig(type="openai_credential", credential_id=theirs.id, model="gpt")
    wrong = ChatModelConfig(type="demo_credential", credential_id=ours.id, model="gpt")

    for changes in (
        UpdateSession(chat_model_config=foreign),
        UpdateSession(fallback_chat_model_config=foreign),
        UpdateSession(tts_model_config=foreign),
        UpdateSession(knowledge_config=KnowledgeConfig(knowledge_base_ids=["k"])),
    ):
        with pytest.raises(NotFound):
            await sessions.update(ADA, session, agent, changes)
    with pytest.raises(Invalid) as invalid:
        await sessions.create(ADA, CreateSession(agent_id=agent, chat_model_config=wrong))

    assert invalid.value.problems[0].path == "chat_model_config.type"


async def test_a_page_is_of_one_agent_newest_first(sessions: Sessions, agents: Agents, agent: AgentId):
    other = AgentId((await agents.create(ADA, CreateAgent(name="Other"))).id)
    await sessions.create(ADA, CreateSession(agent_id=other))
    made = [(await sessions.create(ADA, CreateSession(agent_id=agent))).id for _ in range(3)]

    page = await sessions.page(ADA, agent, 2)
    rest = await sessions.page(ADA, agent, 2, page.next_cursor)

    assert [view.session.id for view in (*page.items, *rest.items)] == made[::-1]
    assert page.total == 3
    assert rest.next_cursor is None
    with pytest.raises(NotFound):
        await sessions.page(BEA, agent, 2)
