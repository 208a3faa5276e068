"""The conversation before each call of the model: kept short, told of the moment, shown as every provider takes it."""

from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from agentsvc.agent import asking
from agentsvc.agent.context import tokens
from agentsvc.agent.context.compression import CompressionFailed, attempted, compress
from agentsvc.agent.context.cuts import visible
from agentsvc.agent.context.history import Repair
from agentsvc.agent.context.images import limit_images
from agentsvc.agent.context.injection import inject
from agentsvc.agent.context.plan import Plan, fitted, plan
from agentsvc.agent.context.prompt import view
from agentsvc.agent.interruption import Interruption
from agentsvc.agent.model import ModelRequest, ToolChoice
from agentsvc.agent.standing import Standing
from agentsvc.agent.tools import Tools
from agentsvc.domain import events as ev
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.messages import Msg
from agentsvc.domain.states import AgentState


class Conversation:
    """``earlier`` are the messages of the context that stand before the reply. ``now`` is the state as it is."""

    def __init__(
        self, standing: Standing, interruption: Interruption, earlier: list[Msg], now: Callable[[], AgentState]
    ) -> None:
        self.earlier = earlier
        self._standing = standing
        self._agent = standing.agent
        self._interruption = interruption
        self._now = now
        self._repaired = Repair()
        self._prompt = ""
        self._beside = 0

    async def prepare(self, tools: Tools) -> AsyncGenerator[ev.Event]:
        """Shorten what has become too long, and tell what is worth telling of the moment. Raises Interrupted."""
        with self._interruption:
            self._prompt = await self._agent.prompt(tools)
        self._beside = tokens.of_schemas(tools.schemas) + tokens.of_text(self._prompt)
        state = self._now()
        count = self._count(state, self._limited(state))
        if (found := self._plan(state, count)) is not None:
            yield await self._shorten(state, found)
            state = self._now()
            count = self._count(state, self._limited(state))
        if hint := self._hint(state, count):
            yield hint

    def request(self, tools: Tools, tool_choice: ToolChoice) -> ModelRequest:
        """What the model is shown now, after ``prepare`` with the same tools."""
        state, context_size = self._now(), self._agent.model.context_size
        limited = self._limited(state)
        messages = visible(limited, state.reply_context)
        if self._count(state, limited) > context_size:
            messages = fitted(messages, context_size - self._fixed(state))
        shown = view(self._prompt, state.summary, messages, self._repaired)
        return ModelRequest(shown.messages, tools.schemas, tool_choice, shown.breakpoints)

    def counted(self, event: ev.ModelCallEnd) -> None:
        """Take the count of the provider, if there is one, from here on; the answer stands in the context."""
        if event.input_tokens and event.finished_reason == "completed":
            total = event.input_tokens + event.output_tokens
            self._standing.state.token_count = tokens.counted([self._standing.message], total)

    def _limited(self, state: AgentState) -> list[Msg]:
        return limit_images(state.context, self._agent.context_config.max_image_num)

    def _fixed(self, state: AgentState) -> int:
        """The estimate of what is sent beside the context."""
        summary = state.summary
        told = tokens.of_text(summary) if isinstance(summary, str) else tokens.of_blocks(summary)
        return self._beside + told

    def _count(self, state: AgentState, limited: Sequence[Msg]) -> int:
        fixed, summarised = self._fixed(state), state.reply_context.summarised
        return tokens.count(limited, state.token_count, fixed, summarised)

    def _plan(self, state: AgentState, count: int) -> Plan | None:
        return plan(
            state.context,
            state.reply_context,
            count,
            self._agent.context_config,
            context_size=self._agent.model.context_size,
            last_tokens=state.compression_context.tokens,
        )

    async def _shorten(self, state: AgentState, found: Plan) -> ev.Event:
        async def shortened(*, context_config: ContextConfig) -> AgentState:
            return await compress(
                state,
                found,
                context_config,
                partial(asking.whole, self._agent, interruption=self._interruption),
                system_prompt=self._prompt,
                context_size=self._agent.model.context_size,
                now=self._standing.clock(),
                offload=self._agent.offload,
            )

        around = self._agent.around("on_compress_context", shortened)
        try:
            shorter: AgentState = await around(context_config=self._agent.context_config)
        except CompressionFailed as failure:
            self._standing.state.compression_context = attempted(state, found.tokens)
            return self._told(ev.COMPRESSION_FAILED, reason=failure.reason, tokens=found.tokens)
        self._adopt(shorter)
        return self._told(ev.COMPRESSED, tokens=found.tokens, tokens_left=shorter.compression_context.tokens)

    def _adopt(self, shorter: AgentState) -> None:
        state = self._standing.state
        self.earlier = [message for message in shorter.context if message.id != self._standing.reply_id]
        state.summary = shorter.summary
        state.token_count = shorter.token_count
        state.compression_context = shorter.compression_context
        state.reply_context = replace(state.reply_context, summarised=shorter.reply_context.summarised)

    def _hint(self, state: AgentState, count: int) -> ev.Event | None:
        hint = inject(
            state,
            self._agent.injection_config,
            self._standing.clock(),
            estimated_tokens=count,
            context_size=self._agent.model.context_size,
            trigger_ratio=self._agent.context_config.trigger_ratio,
        )
        if hint is None:
            return None
        return ev.HintBlockEvent(
            reply_id=self._standing.reply_id,
            block_id=hint.id,
            hint=hint.hint,
            source=hint.source,
            created_at=hint.created_at,
        )

    def _told(self, name: str, **value: Any) -> ev.Event:
        return ev.Custom(
            name=name, value={"reply_id": self._standing.reply_id, **value}, created_at=self._standing.clock()
        )
