"""``/agent``: who answers."""

from typing import Any

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from agentsvc.domain.agents import AgentView, ContextConfig, CreateAgent, ReActConfig, UpdateAgent
from agentsvc.domain.forms import form_of
from agentsvc.domain.ids import AgentId, NewId
from agentsvc.http.attempts import Attempt
from agentsvc.http.documents import of_owner, refusals
from agentsvc.http.identity import UserId
from agentsvc.http.parameters import LIMIT, Cursor, ExpectedVersion, Limit
from agentsvc.services.agents import Agents


class AgentList(Struct, frozen=True, kw_only=True):
    agents: list[AgentView]
    total: int
    next_cursor: str | None


class AgentCreated(Struct, frozen=True, kw_only=True):
    agent_id: AgentId


class AgentForms(Struct, frozen=True, kw_only=True):
    """Each a JSON Schema."""

    identity: dict[str, Any]
    context_config: dict[str, Any]
    react_config: dict[str, Any]


class AgentForm(Struct, frozen=True, kw_only=True):
    schema: dict[str, Any]


class AgentSchemaController(Controller):
    """Needs no user."""

    path = "/agent"
    tags = ("agents",)

    @get(
        "/schema",
        operation_id="get_agent_schema",
        summary="The form of an agent, in parts",
        deprecated=True,
        responses=refusals(),
    )
    async def schemas(self) -> AgentForms:
        """The form of an agent in three parts, for older clients."""
        whole = form_of(CreateAgent)
        identity = {name: whole["properties"][name] for name in ("name", "system_prompt")}
        return AgentForms(
            identity={"title": "Identity", "type": "object", "properties": identity, "required": ["name"]},
            context_config=form_of(ContextConfig),
            react_config=form_of(ReActConfig),
        )

    @get("/schema/v2", operation_id="get_agent_schema_v2", summary="The form of an agent", responses=refusals())
    async def schema(self) -> AgentForm:
        """The form of an agent."""
        return AgentForm(schema=form_of(CreateAgent))


class AgentController(Controller):
    path = "/agent"
    tags = ("agents",)

    @get("/", operation_id="list_agents", summary="List agents", responses=of_owner())
    async def page(
        self, user_id: UserId, agents: NamedDependency[Agents], limit: Limit = LIMIT, cursor: Cursor = None
    ) -> AgentList:
        """The user's agents, newest first."""
        page = await agents.page(user_id, limit, cursor)
        return AgentList(agents=page.items, total=page.total, next_cursor=page.next_cursor)

    @post("/", operation_id="create_agent", summary="Create an agent", responses=of_owner(409, body=True))
    async def create(
        self,
        user_id: UserId,
        agents: NamedDependency[Agents],
        attempt: NamedDependency[Attempt],
        data: JSONBody[CreateAgent],
    ) -> AgentCreated:
        async def create(new_id: NewId) -> AgentCreated:
            return AgentCreated(agent_id=AgentId((await agents.create(user_id, data, new_id)).id))

        return await attempt.carry_out(create, AgentCreated)

    @get("/{agent_id:str}", operation_id="get_agent", summary="Get an agent", responses=of_owner(404))
    async def show(self, user_id: UserId, agents: NamedDependency[Agents], agent_id: FromPath[AgentId]) -> AgentView:
        return await agents.get(user_id, agent_id)

    @patch(
        "/{agent_id:str}",
        operation_id="update_agent",
        summary="Change an agent",
        responses=of_owner(404, 409, body=True),
    )
    async def update(
        self,
        user_id: UserId,
        agents: NamedDependency[Agents],
        agent_id: FromPath[AgentId],
        expected_version: ExpectedVersion,
        data: JSONBody[UpdateAgent],
    ) -> AgentView:
        """Change an agent; what is not sent, or sent as null, stays."""
        return await agents.update(user_id, agent_id, data, expected_version)

    @delete("/{agent_id:str}", operation_id="delete_agent", summary="Delete an agent", responses=of_owner(404))
    async def remove(self, user_id: UserId, agents: NamedDependency[Agents], agent_id: FromPath[AgentId]) -> None:
        """Delete an agent with all its sessions."""
        await agents.delete(user_id, agent_id)
