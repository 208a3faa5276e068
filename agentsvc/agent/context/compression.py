"""Shortening a conversation: a model writes a summary of its older part. Until that has succeeded nothing is lost."""

import logging
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from agentsvc.agent.context.notices import info, quoted
from agentsvc.agent.context.offload import Offload, keep_messages
from agentsvc.agent.context.plan import Plan
from agentsvc.agent.context.portions import portions
from agentsvc.agent.context.summary import (
    TOOL,
    Answer,
    BadSummary,
    Material,
    by_text,
    by_tool,
    fields,
    plain,
    written,
)
from agentsvc.agent.context.tokens import of_text
from agentsvc.agent.endings import classify
from agentsvc.agent.interruption import Interrupted
from agentsvc.agent.model import ModelRequest
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.errors import ModelError
from agentsvc.domain.messages import Msg
from agentsvc.domain.states import AgentState, CompressionContext

log = logging.getLogger(__name__)

Ask = Callable[[ModelRequest], Awaitable[Answer]]
"""Carries out one call of a model (see ``collected``). Raises ModelError, Interrupted."""

_LONGEST = 0.5  # part of the context size that a summary may take
_NAMED = 10  # places of stored messages that a summary names


class CompressionFailed(Exception):
    """The conversation is as it was. ``reason`` is for clients."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


async def compress(
    state: AgentState,
    plan: Plan,
    config: ContextConfig,
    ask: Ask,
    *,
    system_prompt: str,
    context_size: int,
    now: str,
    offload: Offload | None = None,
) -> AgentState:
    """The state with a summary in place of what the plan takes away. ``now`` is told to the model.

    Raises CompressionFailed, and Interrupted as it comes.
    """
    material = Material(
        system_prompt=system_prompt, summary=state.summary, messages=plan.compressed, config=config, now=now
    )
    try:
        summary = await summarise(ask, material, context_size, overflows=plan.tokens > context_size)
    except Interrupted:
        raise
    except Exception as error:  # a middleware may raise anything
        log.warning("a conversation could not be summarised", exc_info=error)
        raise CompressionFailed(_reason(error)) from error
    at = await keep_messages(offload, plan.compressed)
    return apply(state, plan, summary, at, lost=offload is not None and at is None)


async def summarise(ask: Ask, material: Material, context_size: int, *, overflows: bool) -> str:
    """The text of the summary.

    What is too long for one request is summarised in portions, each together with the summary of those before it. When
    the provider refuses even that, once more in portions of half the size. Raises ModelError, BadSummary.
    """
    room = max(int(material.config.trigger_ratio * context_size) - material.fixed, context_size // 10)
    parts = portions(material.messages, room) if overflows else [material.messages]
    try:
        return await _in_turn(ask, material, parts, context_size)
    except ModelError as error:
        smaller = portions(material.messages, room // 2)
        if error.kind != "invalid_request" or len(smaller) <= len(parts):
            raise
        return await _in_turn(ask, material, smaller, context_size)


def apply(state: AgentState, plan: Plan, summary: str, at: str | None, *, lost: bool = False) -> AgentState:
    """The state after the compression. ``at`` is where the messages are kept, ``lost`` that they should have been."""
    stored = [*state.compression_context.stored, *([at] if at is not None else [])]
    text = _told(summary, stored, lost=lost)
    return replace(
        state,
        summary=text,
        context=list(plan.reserved),
        reply_context=replace(state.reply_context, summarised=plan.summarised),
        token_count=None,
        compression_context=CompressionContext(stored=stored, tokens=max(1, plan.tokens - plan.freed + of_text(text))),
    )


def attempted(state: AgentState, tokens: int) -> CompressionContext:
    """What is remembered of an attempt that failed with so many tokens in the conversation."""
    return replace(state.compression_context, tokens=tokens)


async def _in_turn(ask: Ask, material: Material, parts: Sequence[Sequence[Msg]], context_size: int) -> str:
    summary = ""
    for part in parts:
        summary = await _written(ask, replace(material, messages=part), context_size)
        material = replace(material, summary=_told(summary, (), lost=False))
    return summary


async def _written(ask: Ask, material: Material, context_size: int) -> str:
    """A summary in the first way that works: the tool forced, the tool offered, plain text."""
    failure: Exception = BadSummary("nothing was asked")
    for attempt in (_forced, _offered, _in_words):
        try:
            summary = await attempt(ask, material, context_size)
        except BadSummary as error:
            failure = error
        except ModelError as error:
            if error.kind != "invalid_request":
                raise
            failure = error
        else:
            if of_text(summary) <= _LONGEST * context_size:
                return summary
            failure = BadSummary("it is too long")
    raise failure


async def _forced(ask: Ask, material: Material, _context_size: int) -> str:
    return written(fields(await ask(by_tool(material, TOOL)), material.schema), material.config)


async def _offered(ask: Ask, material: Material, _context_size: int) -> str:
    return written(fields(await ask(by_tool(material, "auto")), material.schema), material.config)


async def _in_words(ask: Ask, material: Material, context_size: int) -> str:
    return plain(await ask(by_text(material, context_size - material.fixed)))


def _told(summary: str, stored: Sequence[str], *, lost: bool) -> str:
    """The summary as the model sees it, with a word on where the messages are."""
    text = info(f"This is a summary of the conversation so far; its messages are not shown any more.\n\n{summary}\n")
    if lost:
        text += "\n" + info("The latest of these messages could not be stored.")
    if stored:
        named = "\n".join(quoted(each) for each in stored[-_NAMED:])
        more = f" (and {len(stored) - _NAMED} older files)" if len(stored) > _NAMED else ""
        text += "\n" + info(f"They are stored in full, as JSON Lines, oldest first{more}:\n{named}\n")
    return text


def _reason(error: Exception) -> str:
    match error:
        case ModelError():
            return classify(error).message
        case BadSummary():
            return "The model wrote no summary that can be used."
        case _:
            return "The conversation could not be summarised."
