"""A result that is too long, and images of which there are too many, are shown in part and kept as a whole."""

import json

import pytest

from agentsvc.agent.context.truncation import MARKER
from agentsvc.agent.tool import ToolChunk, tool
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.messages import Base64Source, DataBlock, Msg, TextBlock, ToolResultBlock
from tests.agent.context.test_truncation import Shelf
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, call, text


async def test_only_the_newest_images_are_shown_and_all_are_kept() -> None:
    @tool(read_only=True)
    async def picture(n: int) -> list[TextBlock | DataBlock]:
        """A picture."""
        return [DataBlock(source=Base64Source(data="cGl4", media_type="image/png"), name=f"{n}.png")]

    three = [call("picture", json.dumps({"n": number})) for number in range(3)]
    model = ScriptedModel(*three, text("Seen."))
    talk = Talk(model, tools=[picture], context_config=ContextConfig(max_image_num=1))

    message = await talk.say("draw")

    shown = [block for block in model.requests[-1].messages[-1].content if isinstance(block, ToolResultBlock)]
    assert [isinstance(each.output[-1], DataBlock) for each in shown] == [False, False, True]
    kept = [block for block in message.content if isinstance(block, ToolResultBlock)]
    assert all(isinstance(each.output[-1], DataBlock) for each in kept)


def output(message: Msg) -> str:
    (result,) = [block for block in message.content if isinstance(block, ToolResultBlock)]
    return "".join(item.text for item in result.output if isinstance(item, TextBlock))


@pytest.mark.parametrize("letter", ["a", "€"])
async def test_a_long_result_is_cut_and_the_rest_is_kept_in_full(letter: str) -> None:
    @tool
    async def long() -> ToolChunk:
        """Give much."""
        return ToolChunk(content=[TextBlock(text=letter * 1000)], metadata={"lines": 1})

    shelf = Shelf()
    talk = Talk(
        ScriptedModel(call("long"), text("Done")),
        tools=[long],
        context_config=ContextConfig(tool_result_limit=25),
        offload=shelf,
    )

    message = await talk.say("go")

    shown, marker, info = output(message).partition(MARKER)
    ((name, rest),) = shelf.kept.items()
    assert shown.rstrip("\n") + rest.decode() == letter * 1000
    assert len(shown.encode()) <= 101
    assert marker
    assert f"/kept/{name}" in info
    assert talk.of(ev.ToolResultEnd)[0].metadata == {"lines": 1}
    assert talk.of(ev.ToolResultEnd)[0].state == "success"
    assert message == talk.folded()


async def test_a_long_result_of_the_client_is_cut_too() -> None:
    @tool(external=True)
    async def locate() -> str:
        """Where the user is."""
        raise AssertionError("the client carries it out")

    shelf = Shelf()
    talk = Talk(
        ScriptedModel(call("locate"), text("Done")),
        tools=[locate],
        context_config=ContextConfig(tool_result_limit=25),
        offload=shelf,
    )
    await talk.say("go")
    (handed,) = talk.of(ev.RequireExternalExecution)[0].tool_calls
    seen_before = list(talk.events)

    given = ToolResultBlock(id=handed.id, name="locate", output="x" * 1000, state="error", metadata={"n": 1})
    message = await talk.go_on(answer=ev.ExternalExecutionResult(reply_id=talk.reply.id, execution_results=[given]))

    assert MARKER in output(message)
    assert len(output(message)) < 400
    assert b"".join(shelf.kept.values()) == b"x" * 900
    end = talk.of(ev.ToolResultEnd)[0]
    assert (end.state, end.metadata) == ("error", {"n": 1})
    talk.events[:0] = seen_before
    assert message == talk.folded()
