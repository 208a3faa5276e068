"""One round of reasoning: a request to a model, and its answer as events."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from agentsvc.agent.agent import Agent
from agentsvc.agent.blocks import Blocks
from agentsvc.agent.interruption import Interrupted, Interruption
from agentsvc.agent.model import ChatModelBase, Finish, ModelDelta, ModelRequest, ToolChoice
from agentsvc.agent.tools import Tools
from agentsvc.domain import events as ev
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import Msg, Usage
from agentsvc.domain.times import Clock

log = logging.getLogger(__name__)


class Reasoning:
    """Asks the models of an agent in turn, until one begins to answer."""

    def __init__(self, agent: Agent, tools: Tools, reply_id: str, interruption: Interruption, clock: Clock) -> None:
        self._agent = agent
        self._tools = tools
        self._reply_id = reply_id
        self._interruption = interruption
        self._clock = clock
        self.finish: Finish | None = None
        self.only_thought = False

    async def events(self, context: list[Msg], tool_choice: ToolChoice) -> AsyncGenerator[ev.Event]:
        """The events of one answer. Whatever ends it, what it opened is closed.

        Raises Interrupted, and what the model raises, after that.
        """
        request = await self._request(context, tool_choice)
        model, first, answer = await self._begin(request)
        blocks = Blocks(self._reply_id, self._clock)
        yield ev.ModelCallStart(reply_id=self._reply_id, model_name=model.name, created_at=self._clock())
        failure: BaseException | None = None
        async with aclosing(cast("AsyncGenerator[ModelDelta]", answer)) as deltas:
            delta: ModelDelta | None = first
            while delta is not None:
                for event in blocks.take(delta):
                    yield event
                try:
                    with self._interruption:
                        delta = await anext(deltas, None)
                except Exception as error:  # noqa: BLE001 - raised again when all that is open is closed
                    failure, delta = error, None
        self.finish, self.only_thought = blocks.finish, blocks.only_thought
        for event in blocks.close():
            yield event
        yield self._end(blocks.finish, interrupted=isinstance(failure, Interrupted))
        if failure is not None:
            raise failure
        if blocks.finish is None:
            raise ModelError("upstream", "the answer ended without saying why")

    def _end(self, finish: Finish | None, *, interrupted: bool) -> ev.ModelCallEnd:
        usage = finish.usage if finish is not None else Usage()
        return ev.ModelCallEnd(
            reply_id=self._reply_id,
            created_at=self._clock(),
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_input_tokens=usage.cache_input_tokens,
            cache_creation_input_tokens=usage.cache_creation_input_tokens,
            finished_reason="interrupted" if interrupted else "completed",
        )

    async def _request(self, context: list[Msg], tool_choice: ToolChoice) -> ModelRequest:
        prompt = await self._agent.prompt(self._tools)
        system = [Msg.system(prompt)] if prompt else []
        return ModelRequest([*system, *context], self._tools.schemas, tool_choice)

    async def _begin(self, request: ModelRequest) -> tuple[ChatModelBase, ModelDelta, AsyncIterator[ModelDelta]]:
        """The first model that answers, and the beginning of its answer."""
        *before, last = self._agent.models
        for model in before:
            try:
                return await self._ask(model, request)
            except ModelError as error:
                log.warning("model %s failed, the next one is asked: %s", model.name, error)
        return await self._ask(last, request)

    async def _ask(
        self, model: ChatModelBase, request: ModelRequest
    ) -> tuple[ChatModelBase, ModelDelta, AsyncIterator[ModelDelta]]:
        call = self._agent.around("on_model_call", _call)
        with self._interruption:
            answer: AsyncIterator[ModelDelta] = await call(
                current_model=model,
                messages=request.messages,
                tools=request.tools,
                tool_choice=request.tool_choice,
            )
            first = await anext(answer, None)
        if first is None:
            raise ModelError("upstream", "an empty answer")
        return model, first, answer


async def _call(
    *, current_model: ChatModelBase, messages: Any, tools: Any, tool_choice: Any
) -> AsyncIterator[ModelDelta]:
    return current_model.stream(ModelRequest(messages, tools, tool_choice))
