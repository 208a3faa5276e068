"""What a client sends to a session."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from types import NoneType
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from agentsvc.domain.decoding import MOST_TOLD, is_object, parse, problems, refusal
from agentsvc.domain.errors import Problem
from agentsvc.domain.events import ExternalExecutionResult, UserConfirmResult
from agentsvc.domain.ids import AgentId, RunId, SessionId
from agentsvc.domain.messages import Block, DataBlock, Msg, TextBlock, URLSource
from agentsvc.domain.permissions import MOST_RULES
from agentsvc.domain.runs import BusyPolicy

ChatInput = Msg | list[Msg] | UserConfirmResult | ExternalExecutionResult | None

_SCHEME = re.compile(r"(https?|data|workspace):", re.IGNORECASE)
_LONGEST_ID = 200
_MOST_MESSAGES = 1000
_MOST_ANSWERS = 1000


@dataclass(frozen=True, kw_only=True)
class ChatIn:
    """``input`` must be there: a message, several, the answer to what a parked reply waits for, or null for a turn
    without new input. A message whose id is empty came without one, and is given one when it is kept.

    ``busy_policy`` says what becomes of messages when the agent is at work, or waits for an answer: they are ``queue``d
    for its next step, which is the default, ``reject``ed, or ``interrupt`` the reply. An answer is taken in any case.

    No struct, since these have no tag that tells them all apart: see ``decode_chat``.
    """

    agent_id: AgentId
    session_id: SessionId
    input: ChatInput
    busy_policy: BusyPolicy = "queue"


class ChatOut(Struct, frozen=True, kw_only=True):
    """The message is kept, and ``run_id`` will answer it."""

    status: Literal["started"]
    session_id: SessionId
    run_id: RunId


class _Envelope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    agent_id: AgentId
    session_id: SessionId
    input: Any
    busy_policy: BusyPolicy = "queue"


def decode_chat(body: bytes) -> ChatIn:
    """Raises ``BadRequest`` when it is no JSON, ``Invalid`` with the path of each field that is wrong."""
    value = parse(body)
    found = list(problems(value, _Envelope))
    given = value.get("input") if is_object(value) else None
    kind = _kind(given)
    found += problems(given, kind, "input") if kind else [_unknown(given)]
    if found:
        raise refusal(found)
    decoded: ChatInput = msgspec.convert(given, kind)
    if refused := list(islice(_refused(decoded), MOST_TOLD)):
        raise refusal(refused)
    envelope = msgspec.convert({**value, "input": None}, _Envelope)
    return ChatIn(
        agent_id=envelope.agent_id,
        session_id=envelope.session_id,
        input=_unnamed(decoded, given),
        busy_policy=envelope.busy_policy,
    )


def _kind(value: Any) -> Any:
    """What the value sets out to be; none when it is nothing that can be sent."""
    match value:
        case None:
            return NoneType
        case list():
            return list[Msg]
        case {"type": "USER_CONFIRM_RESULT"}:
            return UserConfirmResult
        case {"type": "EXTERNAL_EXECUTION_RESULT"}:
            return ExternalExecutionResult
        case {"type": _}:
            return None
        case dict():
            return Msg
        case _:
            return None


def _unknown(value: Any) -> Problem:
    if is_object(value):
        return Problem("input.type", "expected USER_CONFIRM_RESULT, EXTERNAL_EXECUTION_RESULT or a message")
    return Problem("input", "expected a message, a list of messages, an event or null")


def _unnamed(decoded: ChatInput, given: Any) -> ChatInput:
    """The input without the ids that decoding has made up."""
    match decoded:
        case Msg():
            return decoded if "id" in given else replace(decoded, id="")
        case list():
            pairs = zip(decoded, given, strict=True)
            return [message if "id" in each else replace(message, id="") for message, each in pairs]
        case _:
            return decoded


def _refused(given: ChatInput) -> Iterator[Problem]:
    """What is well formed but not for clients to send."""
    match given:
        case Msg():
            yield from _of_message(given, "input")
        case list():
            yield from _of_messages(given)
        case ExternalExecutionResult(execution_results=results):
            yield from _of_answers([each.id for each in results], "input.execution_results", "id")
            for position, result in enumerate(results):
                output = result.output if isinstance(result.output, list) else []
                yield from refused_blocks(output, f"input.execution_results[{position}].output")
        case UserConfirmResult(confirm_results=decisions):
            yield from _of_answers([each.tool_call.id for each in decisions], "input.confirm_results", "tool_call.id")
            if sum(len(each.rules or ()) for each in decisions) > MOST_RULES:
                yield Problem("input.confirm_results", f"expected at most {MOST_RULES} rules")
        case None:
            pass


def _of_messages(messages: list[Msg]) -> Iterator[Problem]:
    if len(messages) > _MOST_MESSAGES:
        yield Problem("input", f"expected at most {_MOST_MESSAGES} messages")
        return
    ids: set[str] = set()
    for position, message in enumerate(messages):
        yield from _of_message(message, f"input[{position}]")
        if message.id in ids:
            yield Problem(f"input[{position}].id", "an earlier message of this input has the same id")
        ids.add(message.id)


def _of_answers(calls: list[str], path: str, name: str) -> Iterator[Problem]:
    if not 0 < len(calls) <= _MOST_ANSWERS:
        yield Problem(path, f"expected 1 to {_MOST_ANSWERS} results")
        return
    seen: set[str] = set()
    for position, call_id in enumerate(calls):
        if call_id in seen:
            yield Problem(f"{path}[{position}].{name}", "an earlier result of this input has the same id")
        seen.add(call_id)


def _of_message(message: Msg, path: str) -> Iterator[Problem]:
    if message.role == "system":
        yield Problem(f"{path}.role", "a system message cannot be sent; it is part of the agent")
    if not 0 < len(message.id) <= _LONGEST_ID:
        yield Problem(f"{path}.id", f"expected 1 to {_LONGEST_ID} characters")
    yield from refused_blocks(message.content, f"{path}.content")


def refused_blocks(blocks: Sequence[Block], path: str) -> Iterator[Problem]:
    """Calls, results and thoughts come from the agent alone: a client that sent them could answer for its user."""
    for position, block in enumerate(blocks):
        match block:
            case TextBlock():
                pass
            case DataBlock(source=URLSource(url=url)):
                if not _SCHEME.match(url):
                    yield Problem(f"{path}[{position}].source.url", "expected an http, https, data or workspace URL")
            case DataBlock():
                pass
            case _:
                yield Problem(f"{path}[{position}].type", "only text and data blocks can be sent")
