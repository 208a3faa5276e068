"""The OpenAI model against a server that speaks its wire format."""

import json

import pytest

from agentsvc.agent.model import Finish, ModelRequest, TextDelta, ThinkingDelta, ToolCallDelta, ToolSchema
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import Block, Msg, ToolCallBlock, ToolResultBlock, Usage
from agentsvc.models.openai import OpenAIChatModel, OpenAICredential, Parameters
from tests.fakes.openai_scripts import Call, Calls, Chunk, Cut, Fail, Hang, Raw, Text, Thinking, words
from tests.fakes.openai_scripts import Finish as End
from tests.models.conftest import answer

TOOL = ToolSchema("look", "Looks.", {"type": "object", "properties": {}})


async def test_an_answer_comes_in_order_and_ends(server, model):
    server.script(Thinking("hm "), *words("Hello to you"), End(usage=(20, 3, 8)))

    deltas = await answer(model)

    assert deltas == [
        ThinkingDelta("hm "),
        TextDelta("Hello "),
        TextDelta("to "),
        TextDelta("you"),
        Finish("stop", Usage(input_tokens=20, output_tokens=3, cache_input_tokens=8)),
    ]


async def test_the_request_says_who_asks_for_what(server, model):
    await answer(model)

    request = server.requests[0]
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer sk-canary"
    assert request.headers["content-type"] == "application/json"
    assert request.body == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_parallel_calls_come_apart(server, model):
    server.script(Calls([Call("look", {"a": 1}, "one"), Call("look", {"b": 2}, "two")]))

    deltas = await answer(model, ModelRequest([Msg.user("Look")], [TOOL]))

    pieces = [delta for delta in deltas if isinstance(delta, ToolCallDelta)]
    assert [(piece.index, piece.id, piece.name) for piece in pieces[:2]] == [(0, "one", "look"), (1, "two", "look")]
    texts = ["".join(piece.arguments for piece in pieces if piece.index == index) for index in (0, 1)]
    assert [json.loads(text) for text in texts] == [{"a": 1}, {"b": 2}]
    assert deltas[-1] == Finish("tool_calls", Usage(input_tokens=10, output_tokens=5))


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([Fail(401)], "authentication"),
        ([Fail(403)], "permission"),
        ([Fail(429)], "rate_limit"),
        ([Fail(400)], "invalid_request"),
        ([Fail(404)], "invalid_request"),
        ([Fail(422)], "invalid_request"),
        ([Fail(500)], "upstream"),
        ([Cut()], "connection"),
        ([Hang()], "connection"),
        ([Text("half"), Cut()], "connection"),
        ([Text("half"), Hang()], "connection"),
        ([Text("half"), End(reason=None, done=False)], "connection"),
        ([Text("half"), Raw(b"data: {not json\n\n")], "upstream"),
        ([Text("half"), Chunk({"error": {"message": "slow", "code": 429}})], "rate_limit"),
    ],
)
async def test_an_error_says_who_has_to_act(server, model, script, kind):
    server.default = script

    with pytest.raises(ModelError) as caught:
        await answer(model)

    assert caught.value.kind == kind
    assert "sk-canary" not in str(caught.value)


async def test_what_came_before_an_error_was_given_out(server, model):
    server.script(Text("half"), Cut())
    stream = model.stream(ModelRequest([Msg.user("Hi")]))

    assert await anext(stream) == TextDelta("half")
    with pytest.raises(ModelError):
        await anext(stream)


@pytest.mark.parametrize("lost", [Cut(), Hang()])
async def test_an_answer_that_lost_only_its_bill_is_whole(server, model, lost):
    server.script(Text("all"), Chunk({"choices": [{"delta": {}, "finish_reason": "stop"}]}), lost)

    assert await answer(model) == [TextDelta("all"), Finish("stop")]


async def test_done_without_a_reason_is_an_end(server, model):
    server.script(Text("all"), End(reason=None, usage=None))

    assert await answer(model) == [TextDelta("all"), Finish("unknown")]


async def test_closing_the_stream_ends_the_request(server, model, until):
    server.script(Text("one"), Hang())
    stream = model.stream(ModelRequest([Msg.user("Hi")]))
    await anext(stream)

    await stream.aclose()

    await until(lambda: server.requests[0].gone, "the server sees the client go")


@pytest.mark.parametrize(
    ("parameters", "fields"),
    [
        (Parameters(), {}),
        (Parameters(max_tokens=9), {"max_completion_tokens": 9}),
        (Parameters(temperature=0.0, top_p=0.5), {"temperature": 0.0, "top_p": 0.5}),
        (Parameters(reasoning_effort="low"), {"reasoning_effort": "low"}),
        (Parameters(reasoning_effort="low", thinking_enable=True), {"reasoning_effort": "low"}),
        (Parameters(reasoning_effort="low", thinking_enable=False), {}),
        (Parameters(parallel_tool_calls=False), {"parallel_tool_calls": False}),
        (Parameters(voice="ash"), {"modalities": ["text", "audio"], "audio": {"voice": "ash", "format": "pcm16"}}),
    ],
)
async def test_parameters_are_sent_as_the_wire_has_them(server, transport, catalog, parameters, fields):
    credential = OpenAICredential(api_key=" sk-canary\n", organization="org-1", base_url=server.url + "/")
    model = OpenAIChatModel(credential, catalog.card("openai_credential", "x"), parameters, transport)

    await answer(model, ModelRequest([Msg.user("Hi")], [TOOL]))

    request = server.requests[0]
    usual = {"model", "messages", "stream", "stream_options", "tools"}
    assert {name: value for name, value in request.body.items() if name not in usual} == fields
    assert request.headers["authorization"] == "Bearer sk-canary"
    assert request.headers["openai-organization"] == "org-1"


async def test_a_directive_in_a_message_drives_the_server(server, model):
    deltas = await answer(model, "Please [[n=3 think=1 finish=length]] thanks")

    assert deltas == [
        ThinkingDelta("thought0 "),
        TextDelta("word0 "),
        TextDelta("word1 "),
        TextDelta("word2 "),
        Finish("length", Usage(input_tokens=10, output_tokens=4)),
    ]


async def test_a_directive_may_fail_a_number_of_times(server, model):
    deltas = await answer(model, "[[status=503 times=2]]")

    assert deltas[-1] == Finish("stop", Usage(input_tokens=10, output_tokens=5))
    assert len(server.requests) == 3


async def test_a_directive_may_ask_for_tools_and_speaks_after_their_results(server, model):
    user = Msg.user("[[tool=look args=%7B%22a%22%3A1%7D calls=2 n=1]]")
    asked = await answer(model, ModelRequest([user], [TOOL]))
    made = [delta for delta in asked if isinstance(delta, ToolCallDelta) and delta.id]

    blocks: list[Block] = [
        block
        for call in made
        for block in (
            ToolCallBlock(id=call.id or "", name="look", input='{"a":1}'),
            ToolResultBlock(id=call.id or "", name="look", output="seen"),
        )
    ]
    told = await answer(model, ModelRequest([user, Msg(name="Ada", role="assistant", content=blocks)], [TOOL]))

    assert len(made) == 2
    assert told[0] == TextDelta("word0 ")
