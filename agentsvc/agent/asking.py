"""Requests to the models of an agent: to the first of them that begins to answer."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from agentsvc.agent.agent import Agent
from agentsvc.agent.context.summary import Answer, collected
from agentsvc.agent.interruption import Interruption
from agentsvc.agent.model import ChatModelBase, ModelDelta, ModelRequest
from agentsvc.domain.errors import ModelError

log = logging.getLogger(__name__)


async def begin(
    agent: Agent, request: ModelRequest, interruption: Interruption
) -> tuple[ChatModelBase, ModelDelta, AsyncGenerator[ModelDelta]]:
    """The model that answers, the first of its answer, and the rest. Raises ModelError, Interrupted."""
    *before, last = agent.models
    for model in before:
        try:
            return await _ask(agent, model, request, interruption)
        except ModelError as error:
            log.warning("model %s failed, the next one is asked: %s", model.name, error)
    return await _ask(agent, last, request, interruption)


async def whole(agent: Agent, request: ModelRequest, interruption: Interruption) -> Answer:
    """A whole answer at once. Raises ModelError, Interrupted."""
    _, first, rest = await begin(agent, request, interruption)

    async def deltas() -> AsyncGenerator[ModelDelta]:
        delta: ModelDelta | None = first
        while delta is not None:
            yield delta
            with interruption:
                delta = await anext(rest, None)

    async with aclosing(rest), aclosing(deltas()) as answer:
        return await collected(answer)


async def _ask(
    agent: Agent, model: ChatModelBase, request: ModelRequest, interruption: Interruption
) -> tuple[ChatModelBase, ModelDelta, AsyncGenerator[ModelDelta]]:
    call = agent.around("on_model_call", _call)
    with interruption:
        answer: AsyncIterator[ModelDelta] = await call(
            current_model=model,
            messages=request.messages,
            tools=request.tools,
            tool_choice=request.tool_choice,
            cache_breakpoints=request.cache_breakpoints,
        )
        first = await anext(answer, None)
    if first is None:
        raise ModelError("upstream", "an empty answer")
    return model, first, cast("AsyncGenerator[ModelDelta]", answer)


async def _call(
    *, current_model: ChatModelBase, messages: Any, tools: Any, tool_choice: Any, cache_breakpoints: Any
) -> AsyncIterator[ModelDelta]:
    return current_model.stream(ModelRequest(messages, tools, tool_choice, cache_breakpoints))
