"""What the chunks of one call add up to in the reply."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from agentsvc.agent.tool import FunctionTool, ToolBase, ToolChunk
from agentsvc.domain.messages import Base64Source, DataBlock, TextBlock, ToolResultBlock
from tests.agent.replies import Talk
from tests.fakes.models import ScriptedModel, call, text

IMAGE = DataBlock(source=Base64Source(data="aGk=", media_type="image/png"))


async def result_of(tool: ToolBase) -> ToolResultBlock:
    """The result as the reply holds it, which is what a client folds."""
    talk = Talk(ScriptedModel(call(tool.name), text("Done")), tools=[tool])
    message = await talk.say("hi")
    assert talk.folded() == message
    (result,) = [block for block in message.content if isinstance(block, ToolResultBlock)]
    return result


def giving(*chunks: ToolChunk) -> FunctionTool:
    async def give() -> AsyncIterator[ToolChunk]:
        for chunk in chunks:
            yield chunk

    return FunctionTool(give)


def shown(result: ToolResultBlock) -> list[str]:
    assert not isinstance(result.output, str)
    return [item.text if isinstance(item, TextBlock) else item.source.media_type for item in result.output]


def plain() -> str:
    return "ab"


async def coroutine() -> str:
    return "ab"


def generator() -> Iterator[str]:
    yield "a"
    yield "b"


async def async_generator() -> AsyncIterator[str]:
    yield "a"
    yield "b"


class Returning(ToolBase):
    name = "returning"
    description = ""
    input_schema = {"type": "object", "properties": {}}  # noqa: RUF012

    async def call(self) -> ToolChunk:
        return ToolChunk.text("ab")


@pytest.mark.parametrize("form", [plain, coroutine, generator, async_generator, Returning])
async def test_every_form_of_tool_gives_the_same_result(form: Callable[..., Any]):
    result = await result_of(Returning() if form is Returning else FunctionTool(form, "form"))

    assert (shown(result), result.state, result.metadata) == (["ab"], "success", {})


async def test_neighbouring_texts_are_one_and_data_stay_whole():
    block = TextBlock(text="one ")
    result = await result_of(
        giving(
            ToolChunk(content=[block]),
            ToolChunk(content=[TextBlock(id=block.id, text="two"), IMAGE]),
            ToolChunk(content=[IMAGE, TextBlock(text="three ")]),
            ToolChunk.text("four"),
        )
    )

    assert shown(result) == ["one two", "image/png", "image/png", "three four"]


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        (["running", "success"], "success"),
        (["error", "success", "running"], "error"),
        (["denied", "success"], "denied"),
        (["denied", "interrupted", "denied"], "interrupted"),
        (["interrupted", "error", "denied"], "error"),
    ],
)
async def test_the_worst_state_sticks(states, outcome):
    result = await result_of(giving(*(ToolChunk.text(".", state=state) for state in states)))

    assert result.state == outcome


async def test_metadata_are_merged_and_the_last_says_what_holds():
    result = await result_of(
        giving(ToolChunk(metadata={"a": 1, "b": 1}), ToolChunk(metadata={"b": 2}), ToolChunk(metadata={"c": 3}))
    )

    assert result.metadata == {"a": 1, "b": 2, "c": 3}
    assert result.output == []
