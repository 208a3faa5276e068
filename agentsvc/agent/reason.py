"""One round of reasoning: a request to a model, and its answer as events."""

import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from agentsvc.agent.agent import Agent
from agentsvc.agent.asking import begin
from agentsvc.agent.blocks import Blocks
from agentsvc.agent.interruption import Interrupted, Interruption
from agentsvc.agent.model import Finish, ModelDelta, ModelRequest
from agentsvc.domain import events as ev
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import Usage
from agentsvc.domain.times import Clock

log = logging.getLogger(__name__)


class Reasoning:
    def __init__(self, agent: Agent, reply_id: str, interruption: Interruption, clock: Clock) -> None:
        self._agent = agent
        self._reply_id = reply_id
        self._interruption = interruption
        self._clock = clock
        self.finish: Finish | None = None
        self.only_thought = False

    async def events(self, request: ModelRequest) -> AsyncGenerator[ev.Event]:
        """The events of one answer. Whatever ends it, what it opened is closed.

        Raises Interrupted, and what the model raises, after that.
        """
        model, first, answer = await begin(self._agent, request, self._interruption)
        blocks = Blocks(self._reply_id, self._clock)
        yield ev.ModelCallStart(reply_id=self._reply_id, model_name=model.name, created_at=self._clock())
        failure: BaseException | None = None
        async with aclosing(answer) as deltas:
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
