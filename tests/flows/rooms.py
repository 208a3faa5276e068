"""Workspaces on the machine of the service, and an agent that does there what it is told."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agentsvc.domain.messages import Msg, ToolResultBlock
from agentsvc.workspaces.manager import directory_name
from agentsvc.workspaces.sandbox import choose_sandbox
from tests.fakes.openai_scripts import Call, Calls
from tests.fakes.openai_server import OpenAIServer, words
from tests.questions import results
from tests.service import Conversation, Service, User

shell = pytest.mark.skipif(not choose_sandbox().confined, reason="Bash is offered only where commands are confined")


def room(service: Service, talk: Conversation) -> Path:
    """The directory of the agent."""
    return service.log.parent / "workspaces" / directory_name(talk.user.name) / directory_name(talk.agent_id)


def script(provider: OpenAIServer, *calls: Call, said: str = "All done") -> None:
    """The model makes these calls, one after the other."""
    for call in calls:
        provider.script(Calls([call]))
    provider.script(*words(said))


async def carried_out(talk: Conversation, provider: OpenAIServer, *calls: Call) -> list[ToolResultBlock]:
    """What calls give that nobody has to be asked about."""
    script(provider, *calls)
    await talk.told("go")
    await talk.idle()
    reply: Msg = (await talk.messages())[-1]
    assert reply.finished_reason == "completed", reply
    return results(reply)


async def changed(talk: Conversation, **fields: Any) -> dict[str, Any]:
    answer = await talk.user.ask("PATCH", talk.path(), fields)
    assert answer.status_code == 200, answer.text
    record: dict[str, Any] = answer.json()
    return record


async def working(user: User, provider: OpenAIServer, **fields: Any) -> Conversation:
    """A session that may do what it likes, unless ``fields`` say otherwise."""
    agent, credential = await user.agent(), await user.credential(provider.url)
    return await user.session(agent, credential, **{"permission_mode": "bypass", **fields})


def bash(command: str, **more: Any) -> Call:
    return Call("Bash", {"command": command, **more})


def write(path: str, content: str) -> Call:
    return Call("Write", {"file_path": path, "content": content})


def read(path: str) -> Call:
    return Call("Read", {"file_path": path})


def heard(provider: OpenAIServer) -> Mapping[str, str]:
    """What the model was told of each call, by its id."""
    messages = provider.requests[-1].body["messages"]
    return {each["tool_call_id"]: _text(each["content"]) for each in messages if each["role"] == "tool"}


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content)
