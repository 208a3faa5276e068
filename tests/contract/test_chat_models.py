"""What every chat model keeps to, however it comes by its answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from agentsvc.agent.model import ChatModelBase, Finish, ModelDelta, ModelRequest, ToolCallDelta, ToolSchema
from agentsvc.domain.messages import Msg
from agentsvc.models.addresses import AddressGuard
from agentsvc.models.catalog import BUILTIN, ModelCatalog
from agentsvc.models.credentials import CredentialFactory, ModelContext, type_of
from agentsvc.models.demo import DemoChatModel, Parameters
from agentsvc.models.openai import OpenAICredential
from agentsvc.models.openai import Parameters as OpenAIParameters
from agentsvc.models.transport import Transport
from tests.conftest import Until
from tests.fakes.models import ScriptedModel, call, text
from tests.fakes.openai_scripts import Call, Calls, Hang, Text, words
from tests.fakes.openai_server import OpenAIServer

HELLO = Msg.user("Hello to you")
LOOK = Msg.user('/tool look {"at": {"name": "tree"}}')
THING = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
TOOL = ToolSchema(
    "look",
    "Looks.",
    {
        "type": "object",
        "$defs": {"Thing": THING},
        "properties": {"at": {"$ref": "#/$defs/Thing"}, "often": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        "required": ["at"],
    },
)


@dataclass(frozen=True)
class Case:
    """A model, and what its next answer will be: words, a call of ``look``, or a word and no end.

    ``ended`` says that its requests are over.
    """

    model: ChatModelBase
    speak: Callable[[], None]
    call: Callable[[], None]
    linger: Callable[[], None]
    ended: Callable[[], bool]


async def openai() -> AsyncIterator[Case]:
    async with OpenAIServer() as server, Transport(AddressGuard(["127.0.0.1"])) as transport:
        context = ModelContext(transport=transport)
        credential = OpenAICredential(api_key="sk-canary", base_url=server.url)
        card = ModelCatalog(CredentialFactory(*BUILTIN), context).card("openai_credential", "gpt-4o")
        yield Case(
            credential.chat_model(card, OpenAIParameters(), context),
            lambda: server.script(*words("Hello to you")),
            lambda: server.script(Calls([Call("look", {"at": {"name": "tree"}})])),
            lambda: server.script(Text("Hello "), Hang()),
            lambda: server.open == 0,
        )


async def demo() -> AsyncIterator[Case]:
    model = DemoChatModel(Parameters(pace_ms=0))
    yield Case(model, lambda: None, lambda: None, lambda: None, lambda: True)


async def scripted() -> AsyncIterator[Case]:
    model = ScriptedModel()
    yield Case(
        model,
        lambda: model.scripts.append(text("Hello ", "to ", "you")),
        lambda: model.scripts.append(call("look", '{"at": {"name": "tree"}}')),
        lambda: model.scripts.append([*text("Hello "), asyncio.Event()]),
        lambda: model.closed == len(model.requests),
    )


CASES: dict[str, Any] = {"openai_credential": openai, "demo_credential": demo, "scripted": scripted}


@pytest.fixture(params=CASES)
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    async for each in CASES[request.param]():
        yield each


def test_every_kind_of_model_is_here():
    assert {type_of(kind) for kind in BUILTIN} <= CASES.keys()


@pytest.mark.parametrize("messages", [[HELLO], []], ids=["words", "nothing said"])
async def test_an_answer_ends_with_its_only_finish(case: Case, messages: list[Msg]):
    case.speak()

    deltas = await answered(case, ModelRequest(messages))

    assert [isinstance(delta, Finish) for delta in deltas] == [False] * (len(deltas) - 1) + [True]
    assert len(deltas) > 1


async def test_a_model_is_told_of_tools_and_calls_one(case: Case):
    case.call()

    deltas = await answered(case, ModelRequest([LOOK], [TOOL]))

    pieces = [delta for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert [(piece.index, piece.name) for piece in pieces if piece.name] == [(0, "look")]
    assert pieces[0].name
    assert json.loads("".join(piece.arguments for piece in pieces)) == {"at": {"name": "tree"}}
    assert isinstance(deltas[-1], Finish)
    assert deltas[-1].reason == "tool_calls"


async def test_an_answer_that_is_closed_early_ends_its_request(case: Case, until: Until):
    case.linger()
    stream = case.model.stream(ModelRequest([HELLO]))
    await anext(stream)

    await stream.aclose()

    await until(case.ended, "the request is over")
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_model_answers_again_and_again(case: Case):
    for _ in range(2):
        case.speak()

        assert isinstance((await answered(case, ModelRequest([HELLO])))[-1], Finish)


async def answered(case: Case, request: ModelRequest) -> list[ModelDelta]:
    return [delta async for delta in case.model.stream(request)]
