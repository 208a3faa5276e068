"""What the harness must know of a system that it measures."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from redis import Redis

from tests.bench.wire import Http, Request

APPS = Path(__file__).parents[1] / "apps"
ROOT = Path(__file__).parents[3]


class Place(NamedTuple):
    """Where a system is started: its port, those of the fake model and of Redis, and a directory of its own."""

    port: int
    model_port: int
    redis_port: int
    directory: Path


class Command(NamedTuple):
    arguments: Sequence[str]
    environment: Mapping[str, str]


class Session(NamedTuple):
    id: str
    agent: str


class Adapter:
    """Starts a system and speaks to it.

    ``text`` finds the text of an event in its first group, ``is_end`` is found in the event that ends a reply.

    The text of a message must reach the model unchanged: it carries the settings of the reply.
    """

    text: ClassVar[re.Pattern[bytes]] = re.compile(rb'"delta": ?"([^"]*)"')
    is_end: ClassVar[bytes]
    health: ClassVar[str] = "/health"
    has_model: ClassVar[bool] = True

    def __init__(self, place: Place, variant: str) -> None:
        self.place = place
        self.variant = variant

    def command(self, python: str, workers: int) -> Command:
        """What starts the service in the foreground."""
        raise NotImplementedError

    async def set_up(self, http: Http) -> None:
        """Called after each start, on an empty store: credentials and the like."""

    async def agent(self, http: Http, **settings: Any) -> str:
        """The id of a new agent."""
        raise NotImplementedError

    async def session(self, http: Http, agent: str, model: str = "fake") -> Session:
        """A new session."""
        raise NotImplementedError

    def chat(self, session: Session, text: str) -> Request:
        """What starts a reply. A session that cannot take it now answers 409."""
        raise NotImplementedError

    def stream(self, session: Session) -> Request:
        """What opens the stream of events."""
        raise NotImplementedError

    def reads(self, session: Session) -> dict[str, Request]:
        """Lists and single records, by name."""
        return {}

    def seed_agents(self, redis: Redis, agent: str, count: int) -> None:
        """Store more agents of the user, like this one."""
        raise NotImplementedError

    def seed_sessions(self, redis: Redis, session: Session, count: int) -> None:
        """Store more sessions of the agent, like this one."""
        raise NotImplementedError

    def seed_messages(self, redis: Redis, session: Session, count: int) -> None:
        """Store more messages in the session, like its last one."""
        raise NotImplementedError

    async def schedule(self, http: Http, agent: str, minute: int, hour: int, text: str) -> None:
        """Have the agent be sent a text at this time of the day (UTC)."""
        raise NotImplementedError


class Rest(Adapter):
    """The requests that the reference and the service share."""

    is_end = b'"REPLY_END"'
    user: ClassVar[Mapping[str, str]] = {"x-user-id": "bench"}

    async def set_up(self, http: Http) -> None:
        data = {
            "type": "openai_credential",
            "name": "fake",
            "api_key": "x",
            "base_url": f"http://127.0.0.1:{self.place.model_port}/v1",
        }
        made = await http.ask("POST", "/credential/", self.user, {"data": data})
        self._credential: str = made["credential_id"]

    async def agent(self, http: Http, **settings: Any) -> str:
        made = await http.ask("POST", "/agent/", self.user, {"name": "bench", **settings})
        return str(made["agent_id"])

    async def session(self, http: Http, agent: str, model: str = "fake") -> Session:
        # With a name: the reference would else ask the model for one.
        body = {"agent_id": agent, "name": "s", "chat_model_config": self._model(model)}
        made = await http.ask("POST", "/sessions/", self.user, body)
        return Session(made["session_id"], agent)

    def chat(self, session: Session, text: str) -> Request:
        message = {"name": "user", "role": "user", "content": [{"type": "text", "text": text}]}
        return (
            "POST",
            "/chat/",
            self.user,
            {"agent_id": session.agent, "session_id": session.id, "input": message},
        )

    def stream(self, session: Session) -> Request:
        return "GET", _of(session, "stream"), self.user, None

    def reads(self, session: Session) -> dict[str, Request]:
        paths = {
            "agents": "/agent/",
            "sessions": f"/sessions/?agent_id={session.agent}",
            "session status": _of(session, "status"),
            "messages": _of(session, "messages") + "&limit=50",
        }
        return {name: ("GET", path, self.user, None) for name, path in paths.items()}

    async def schedule(self, http: Http, agent: str, minute: int, hour: int, text: str) -> None:
        body = {
            "name": "b",
            "description": text,
            "cron_expression": f"{minute} {hour} * * *",
            "agent_id": agent,
            "chat_model_config": self._model("fake"),
        }
        await http.ask("POST", "/schedule/", self.user, body)

    def _model(self, name: str) -> dict[str, Any]:
        return {"type": "openai_credential", "credential_id": self._credential, "model": name, "parameters": {}}


def _of(session: Session, what: str) -> str:
    return f"/sessions/{session.id}/{what}?agent_id={session.agent}"
