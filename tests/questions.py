"""What a parked reply asks, and how clients answer it."""

from typing import Any

import msgspec

from agentsvc.domain.events import RequireExternalExecution, RequireUserConfirm
from agentsvc.domain.messages import Msg, TextBlock, ToolResultBlock
from tests.conftest import wait_until
from tests.fakes.openai_scripts import Call, Calls
from tests.fakes.openai_server import OpenAIServer, words
from tests.service import ANEW, Conversation, Reader

ASKING = "awaiting_permission"
WANTING = "awaiting_external_result"


def ask(provider: OpenAIServer, *marks: str, said: str = "All done") -> None:
    """The model wants to deploy, and says something when it has the result."""
    provider.script(*words("Let me see. "), Calls([Call("deploy", {"mark": mark}) for mark in marks]))
    provider.script(*words(said))


def confirmed(asked: RequireUserConfirm, *, rules: Any = None, reply_id: str = "", **call: Any) -> dict[str, Any]:
    """Yes to every call of a question. ``call`` changes what is said of them, ``rules`` hold from now on."""
    return _decided(asked, True, rules, reply_id, call)


def refused(asked: RequireUserConfirm, **call: Any) -> dict[str, Any]:
    return _decided(asked, False, None, "", call)


def _decided(asked: RequireUserConfirm, yes: bool, rules: Any, reply_id: str, call: dict[str, Any]) -> dict[str, Any]:
    calls = [{**msgspec.to_builtins(each), **call} for each in asked.tool_calls]
    results = [{"confirmed": yes, "tool_call": each, "rules": rules} for each in calls]
    return {"type": "USER_CONFIRM_RESULT", "reply_id": reply_id or asked.reply_id, "confirm_results": results}


def delivered(
    asked: RequireExternalExecution, output: Any = "a cat", *, state: str = "success", reply_id: str = "", **result: Any
) -> dict[str, Any]:
    """The same result of every call that the client is to carry out; ``result`` changes what is said of them."""
    given = {"type": "tool_result", "output": output, "state": state}
    results = [{**given, "id": each.id, "name": each.name, **result} for each in asked.tool_calls]
    return {"type": "EXTERNAL_EXECUTION_RESULT", "reply_id": reply_id or asked.reply_id, "execution_results": results}


def rule(content: str | None = None, tool: str = "deploy", behavior: str = "allow") -> dict[str, Any]:
    return {"tool_name": tool, "rule_content": content, "behavior": behavior, "source": "user"}


async def asked(stream: Reader, talk: Conversation) -> RequireUserConfirm:
    """The next question, once the session waits for its answer."""
    question: RequireUserConfirm = await stream.until(RequireUserConfirm)
    await parked(talk)
    return question


async def wanted(stream: Reader, talk: Conversation) -> RequireExternalExecution:
    """The next call that the client is to carry out, once the session waits for its result."""
    call: RequireExternalExecution = await stream.until(RequireExternalExecution)
    await parked(talk, WANTING)
    return call


async def parked(talk: Conversation, status: str = ASKING, within: float = 15) -> None:
    async def waits() -> bool:
        return await talk.status() == status

    await wait_until(waits, f"the session is {status}", within=within)


async def approvals(talk: Conversation, status: str = "all") -> list[dict[str, Any]]:
    """The records of what the session asks and has asked, newest first."""
    query = {"session_id": talk.session_id, "status": status}
    answer = await talk.user.ask("GET", "/approvals/", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["approvals"]
    return found


def results(reply: Msg) -> list[ToolResultBlock]:
    return [block for block in reply.content if isinstance(block, ToolResultBlock)]


def text_of(result: ToolResultBlock) -> str:
    if isinstance(result.output, str):
        return result.output
    return "".join(block.text for block in result.output if isinstance(block, TextBlock))


async def by(way: str, talk: Conversation, question: RequireUserConfirm, *, yes: bool, **more: str) -> int:
    """Answer a question of one call, by a message to the session or by its record: the status."""
    headers = {name: more.pop(name) for name in ANEW if name in more}
    if way == "approvals":
        path = f"/approvals/{question.tool_calls[0].id}/answer"
        return (await talk.user.ask("POST", path, {"confirmed": yes, **more}, headers=headers)).status_code
    given = confirmed(question, **more) if yes else refused(question, **more)
    return (await talk.say(given, **headers)).status_code
