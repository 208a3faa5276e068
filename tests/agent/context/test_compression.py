"""A summary takes the place of what was said, and nothing is lost when it cannot be written."""

import json

import pytest

from agentsvc.agent.context.compression import CompressionFailed, attempted, compress
from agentsvc.agent.context.plan import Plan, plan
from agentsvc.agent.context.summary import SUMMARY_SCHEMA, TOOL, Answer, collected
from agentsvc.agent.interruption import Interrupted
from agentsvc.agent.model import Finish, ModelRequest, TextDelta, ThinkingDelta, ToolCallDelta
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import Base64Source, DataBlock, HintBlock, Msg, ToolCallBlock
from agentsvc.domain.states import AgentState, ReplyContext, TokenCount
from agentsvc.models.openai_requests import encode
from tests.agent.context.histories import bot, call, image, result, user
from tests.agent.context.test_truncation import Shelf

CONFIG = ContextConfig()
FIELDS = dict.fromkeys(SUMMARY_SCHEMA["required"], "nothing") | {"next_steps": "Ask Ada."}
NOW = "2026-11-24 09:30 UTC"
LONG = "x" * 400
REFUSED = ModelError("invalid_request", "no")


def by_call(**fields: object) -> Answer:
    return Answer(calls=((TOOL, json.dumps(FIELDS | fields)),), finish=Finish("tool_calls"))


def in_words(words: str) -> Answer:
    return Answer(text=words, finish=Finish("stop"))


class Summariser:
    """Answers each request with the next answer; the last one again and again."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.requests: list[ModelRequest] = []
        self._answers = list(answers)

    async def __call__(self, request: ModelRequest) -> Answer:
        encode(request, "m", {}, ())
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def said(self, number: int = 0) -> str:
        return str(self.requests[number].messages)


def conversation(*, tokens: int = 1000, earlier: tuple[Msg, ...] = ()) -> tuple[AgentState, Plan]:
    reply = bot(call("a"), result("a", LONG), call("b"), result("b", "seen"), id="r")
    state = AgentState(
        session_id="s1",
        context=[*earlier, user("My name is Ada."), reply],
        reply_context=ReplyContext(reply_id="r", cur_iter=2),
        token_count=TokenCount(message_id="r", blocks=4, tokens=tokens),
    )
    found = plan(state.context, state.reply_context, tokens, CONFIG, context_size=1000)
    assert found is not None
    return state, found


async def shortened(ask: Summariser, config: ContextConfig = CONFIG, offload: Shelf | None = None, tokens: int = 1000):
    state, found = conversation(tokens=tokens)
    return await compress(
        state, found, config, ask, system_prompt="Be brief.", context_size=1000, now=NOW, offload=offload
    )


async def test_the_older_part_becomes_a_summary():
    before, _ = conversation()

    state = await shortened(Summariser(by_call()))

    assert isinstance(state.summary, str)
    assert "# Next steps\nAsk Ada." in state.summary
    assert state.summary.index("# Task overview") < state.summary.index("# Context to preserve")
    assert [message.id for message in state.context] == ["r"]
    assert len(state.context[0].content) == len(before.context[-1].content)
    assert state.reply_context == ReplyContext(reply_id="r", cur_iter=2, summarised=2)
    assert state.token_count is None


async def test_the_model_is_shown_the_older_part_and_forced_to_use_the_tool():
    ask = Summariser(by_call())

    await shortened(ask)

    (request,) = ask.requests
    assert request.tool_choice.mode == TOOL
    assert [tool.parameters for tool in request.tools] == [SUMMARY_SCHEMA]
    assert "My name is Ada." in ask.said()
    assert NOW in ask.said()
    assert "Be brief." in ask.said()
    assert not any(block.id == "b" for message in request.messages for block in message.content)


async def test_a_later_summary_is_made_of_the_earlier_one():
    ask = Summariser(by_call())
    state, found = conversation()
    state.summary = "They met in Ulm."

    await compress(state, found, CONFIG, ask, system_prompt="", context_size=1000, now=NOW)

    assert "They met in Ulm." in ask.said()


async def test_a_forced_choice_is_followed_by_an_offer_and_that_by_plain_text():
    ask = Summariser(REFUSED, by_call(next_steps=7), in_words("Ada asked something."))

    state = await shortened(ask)

    assert [request.tool_choice.mode for request in ask.requests] == [TOOL, "auto", "auto"]
    assert not ask.requests[2].tools
    assert not any(
        isinstance(block, ToolCallBlock) for message in ask.requests[2].messages for block in message.content
    )
    assert "Ada asked something." in str(state.summary)


@pytest.mark.parametrize(
    "useless",
    [
        Answer(finish=Finish("stop")),
        in_words("Hello!"),
        by_call(**dict.fromkeys(FIELDS, " ")),
        Answer(calls=(("other", "{}"),), finish=Finish("tool_calls")),
        Answer(calls=((TOOL, json.dumps(FIELDS)),), finish=Finish("length")),
        Answer(calls=((TOOL, "{"),), finish=Finish("tool_calls")),
        by_call(next_steps="x" * 3000),
    ],
)
async def test_an_answer_that_is_no_summary_is_asked_for_again(useless):
    ask = Summariser(useless, by_call())

    state = await shortened(ask)

    assert len(ask.requests) == 2
    assert "Ask Ada." in str(state.summary)


@pytest.mark.parametrize("kind", ["rate_limit", "connection", "authentication", "upstream"])
async def test_other_failures_end_the_attempt_at_once_and_change_nothing(kind):
    ask = Summariser(ModelError(kind, "secret words"))
    state, found = conversation()
    context = list(state.context)

    with pytest.raises(CompressionFailed) as failure:
        await compress(state, found, CONFIG, ask, system_prompt="", context_size=1000, now=NOW)

    assert len(ask.requests) == 1
    assert "secret" not in failure.value.reason
    assert state.context == context
    assert state.summary == ""


async def test_a_failure_is_remembered_so_that_the_next_attempt_waits():
    state, _ = conversation()

    state.compression_context = attempted(state, 1000)

    last = state.compression_context.tokens
    again = [
        plan(state.context, state.reply_context, tokens, CONFIG, context_size=1000, last_tokens=last)
        for tokens in (1000, 1049, 1050)
    ]
    assert [found is None for found in again] == [True, True, False]


async def test_an_interruption_is_no_failure():
    with pytest.raises(Interrupted):
        await shortened(Summariser(Interrupted()))


async def test_a_failing_middleware_is_one():
    with pytest.raises(CompressionFailed):
        await shortened(Summariser(RuntimeError("oops")))


async def test_what_is_too_long_is_summarised_in_portions_that_know_of_each_other():
    ask = Summariser(by_call(next_steps="First."), by_call(next_steps="Second."), by_call(next_steps="Third."))
    state, found = conversation(tokens=1001, earlier=tuple(user(f"{number} {LONG * 4}") for number in range(2)))

    after = await compress(state, found, CONFIG, ask, system_prompt="", context_size=1000, now=NOW)

    assert len(ask.requests) > 1
    assert "First." in ask.said(1)
    assert "First." not in str(after.summary)


async def test_a_refusal_for_length_is_answered_with_smaller_portions_once():
    ask = Summariser(REFUSED, REFUSED, REFUSED, by_call())
    state, found = conversation(earlier=tuple(user(f"{number} {LONG}") for number in range(6)))

    after = await compress(state, found, CONFIG, ask, system_prompt="", context_size=1000, now=NOW)

    assert len(ask.requests) > 4
    assert "Ask Ada." in str(after.summary)

    with pytest.raises(CompressionFailed):
        await compress(state, found, CONFIG, Summariser(REFUSED), system_prompt="", context_size=1000, now=NOW)


async def test_what_cannot_be_smaller_is_not_sent_again():
    ask = Summariser(REFUSED)
    state = AgentState(session_id="s1", context=[bot(LONG)])
    found = plan(state.context, state.reply_context, 900, CONFIG, context_size=1000)
    assert found is not None

    with pytest.raises(CompressionFailed):
        await compress(state, found, CONFIG, ask, system_prompt="", context_size=1000, now=NOW)

    assert len(ask.requests) == 3


async def test_prompt_schema_and_template_are_the_agents_own():
    schema = {"type": "object", "properties": {"gist": {"type": "array"}}, "required": ["gist"]}
    config = ContextConfig(
        compression_prompt="Sum up at {current_time}!",
        summary_schema=schema,
        summary_template="So {gist} {other} {0!r}",
    )
    ask = Summariser(Answer(calls=((TOOL, '{"gist": ["a", 1]}'),), finish=Finish("tool_calls")))

    state = await shortened(ask, config)

    assert f"Sum up at {NOW}!" in ask.said()
    assert 'So ["a",1] {other} {0!r}' in str(state.summary)


async def test_a_schema_that_cannot_be_used_is_a_failure():
    config = ContextConfig(summary_schema={"type": "nonsense"})

    with pytest.raises(CompressionFailed):
        await shortened(Summariser(by_call()), config)


async def test_dropped_messages_are_kept_and_their_places_named_once():
    shelf = Shelf()

    first = await shortened(Summariser(by_call()), offload=shelf)
    first.context.insert(0, user("more", image()))
    found = plan(first.context, first.reply_context, 1000, CONFIG, context_size=1000)
    assert found is not None
    second = await compress(
        first, found, CONFIG, Summariser(by_call()), system_prompt="", context_size=1000, now=NOW, offload=shelf
    )

    paths = second.compression_context.stored
    assert len(paths) == 2
    assert all(str(second.summary).count(path) == 1 for path in paths)
    (medium,) = (name for name in shelf.kept if name.endswith(".png"))
    assert shelf.kept[medium] == b"pix"
    lines = [json.loads(line) for path in paths for line in shelf.kept[path.removeprefix("/kept/")].splitlines()]
    assert [line["role"] for line in lines][:3] == ["user", "assistant", "user"]
    assert lines[2]["content"][1]["source"] == {"type": "url", "url": f"/kept/{medium}", "media_type": "image/png"}


async def test_media_in_results_and_hints_are_kept_too():
    shelf = Shelf()
    audio = DataBlock(source=Base64Source(data="cGl4", media_type="audio/wav"))
    reply = bot(call("a"), result("a", [image()]), HintBlock(hint=[audio]), id="x")
    state, _ = conversation(earlier=(reply,))
    found = plan(state.context, state.reply_context, 1000, CONFIG, context_size=1000)
    assert found is not None

    await compress(
        state, found, CONFIG, Summariser(by_call()), system_prompt="", context_size=1000, now=NOW, offload=shelf
    )

    assert sorted(name.rpartition(".")[2] for name in shelf.kept) == ["jsonl", "png", "wav"]
    assert b"cGl4" not in b"".join(data for name, data in shelf.kept.items() if name.endswith("jsonl"))


async def test_messages_that_cannot_be_kept_are_a_note():
    state = await shortened(Summariser(by_call()), offload=Shelf(OSError("full")))

    assert state.compression_context.stored == []
    assert "could not be stored" in str(state.summary)
    assert "Ask Ada." in str(state.summary)


async def test_a_streamed_answer_is_collected():
    async def stream():
        for delta in (
            ThinkingDelta("hm"),
            TextDelta("He"),
            ToolCallDelta(0, '{"a":', name="one"),
            TextDelta("y"),
            ToolCallDelta(1, "{}", name="two"),
            ToolCallDelta(0, "1}"),
            Finish("tool_calls"),
        ):
            yield delta

    answer = await collected(stream())

    assert answer == Answer(text="Hey", calls=(("one", '{"a":1}'), ("two", "{}")), finish=Finish("tool_calls"))
