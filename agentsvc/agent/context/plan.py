"""Whether a conversation is to be shortened now, and where."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from agentsvc.agent.context.cuts import Cut, between, cuts, hidden, in_flight
from agentsvc.agent.context.images import limit_images
from agentsvc.agent.context.notices import info, notice
from agentsvc.agent.context.transcript import retold
from agentsvc.domain.agents import ContextConfig
from agentsvc.domain.messages import HintBlock, Msg, ToolResultBlock
from agentsvc.domain.states import ReplyContext

_LEFT_OUT = info("The conversation has become too long: its beginning is not shown.")
_ROUND_LEFT_OUT = info("The conversation has become too long: only its last part is told, in short.")
_GROWTH = 0.05
"""Part of the context size that must have come since the last attempt."""


class Plan(Struct, frozen=True, kw_only=True):
    """``compressed`` goes into the summary, ``reserved`` is the context afterwards.

    The reply in flight stays in the context as a whole; the first ``summarised`` blocks of it are not sent any more.
    ``freed`` is the estimate of what is not sent any more.
    """

    compressed: Sequence[Msg]
    reserved: Sequence[Msg]
    summarised: int
    tokens: int
    freed: int


def plan(
    context: Sequence[Msg],
    reply: ReplyContext,
    tokens: int,
    config: ContextConfig,
    *,
    context_size: int,
    last_tokens: int = 0,
) -> Plan | None:
    """None as long as the conversation may stay as it is, or when nothing of it can be summarised.

    ``tokens`` are those of the whole request. ``last_tokens`` are those after the last attempt (see
    ``CompressionContext``): the next one waits until the conversation has grown, so that a summary that fails, or that
    brings nothing, does not cost a call in every round. What the user has just said is never summarised.
    """
    if tokens < config.trigger_ratio * context_size or _too_soon(tokens, last_tokens, context_size):
        return None
    end = _unanswered(context, reply)
    places = [
        cut for cut in cuts(limit_images(context, config.max_image_num), reply) if (cut.message, cut.block) <= end
    ]
    cut = _chosen(places, int(config.reserve_ratio * context_size)) if places else None
    if cut is None:
        return None
    reserved, summarised = _reserved(context, reply, cut)
    return Plan(
        compressed=between(context, reply, places[0], cut),
        reserved=reserved,
        summarised=summarised,
        tokens=tokens,
        freed=places[0].after - cut.after,
    )


def fitted(messages: Sequence[Msg], room: int) -> list[Msg]:
    """What can be sent of a conversation that is too long and cannot be summarised: its end, with a word on the rest.

    ``messages`` are those that are visible. Rounds stay whole; a last one that is too long is told in short.
    """
    places = cuts(messages, ReplyContext())
    cut = _first_within(places, room)
    if cut is None or cut.message == len(messages):
        return [notice(_ROUND_LEFT_OUT), retold(messages[-1:], room)] if messages else []
    kept = between(messages, ReplyContext(), cut, places[-1])
    return list(messages) if cut == places[0] else [notice(_LEFT_OUT), *kept]


def _too_soon(tokens: int, last_tokens: int, context_size: int) -> bool:
    return last_tokens > 0 and tokens < last_tokens + _GROWTH * context_size


def _unanswered(context: Sequence[Msg], reply: ReplyContext) -> tuple[int, int]:
    """Where begins what the reply has not begun to answer: that stays as it was said. Else the end."""
    unfinished = in_flight(context, reply)
    before = len(context) - (unfinished is not None)
    if unfinished is not None and (answered := _answered(unfinished)):
        return (before, answered) if answered < len(unfinished.content) else (len(context), 0)
    said = before
    while said > 0 and context[said - 1].role == "user":
        said -= 1
    return (len(context) if said == before else said), 0


def _answered(message: Msg) -> int:
    """How many blocks the reply has behind it: hints after its last round are still to be answered, but for one that
    stands right behind words, which cannot be cut off from them.
    """
    content = message.content
    last = next((place for place in reversed(range(len(content))) if not isinstance(content[place], HintBlock)), None)
    if last is None:
        return 0
    return last + 1 if isinstance(content[last], ToolResultBlock) else min(last + 2, len(content))


def _chosen(places: Sequence[Cut], room: int) -> Cut | None:
    """The first place that leaves at most ``room``, else the last; if that is the start, the last."""
    cut = _first_within(places, room)
    if cut is None or cut == places[0]:
        cut = places[-1]
    return cut if cut != places[0] and cut.after < places[0].after else None


def _first_within(places: Sequence[Cut], room: int) -> Cut | None:
    return next((cut for cut in places if cut.after <= room), None)


def _reserved(context: Sequence[Msg], reply: ReplyContext, cut: Cut) -> tuple[list[Msg], int]:
    unfinished = in_flight(context, reply)
    if cut.message == len(context):
        return ([], 0) if unfinished is None else ([unfinished], len(unfinished.content))
    message = context[cut.message]
    if message is unfinished:
        return [message], max(cut.block, hidden(context, reply))
    kept = replace(message, content=message.content[cut.block :]) if cut.block else message
    return [kept, *context[cut.message + 1 :]], hidden(context, reply)
