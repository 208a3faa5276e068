"""What one call gives, for tests of tools."""

from typing import Any

from agentsvc.agent.tool import FunctionTool, ToolChunk
from agentsvc.agent.toolkit import Toolkit
from agentsvc.domain.messages import TextBlock, ToolCallBlock
from agentsvc.domain.states import AgentState

STATE = AgentState(session_id="s1")


async def chunks(function: FunctionTool, **arguments: Any) -> list[ToolChunk]:
    return [chunk async for chunk in function.call(**arguments)]


async def texts(function: FunctionTool, **arguments: Any) -> list[str]:
    blocks = [block for chunk in await chunks(function, **arguments) for block in chunk.content]
    return [block.text for block in blocks if isinstance(block, TextBlock)]


def call(name: str, text: str = "{}") -> ToolCallBlock:
    return ToolCallBlock(id="c1", name=name, input=text)


async def run(toolkit: Toolkit, name: str, text: str = "{}") -> list[ToolChunk]:
    return [chunk async for chunk in toolkit.run(call(name, text), STATE)]


async def failure(toolkit: Toolkit, name: str, text: str = "{}") -> str:
    """The text of the error that ends a call, and nothing but that."""
    *before, last = await run(toolkit, name, text)
    assert last.state == "error"
    assert all(chunk.state == "running" for chunk in before)
    return text_of([last])


def text_of(chunks: list[ToolChunk]) -> str:
    return "".join(block.text for chunk in chunks for block in chunk.content if isinstance(block, TextBlock))
