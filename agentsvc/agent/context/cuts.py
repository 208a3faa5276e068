"""Where a conversation may be cut in two, so that each half is a conversation that a provider accepts."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from agentsvc.agent.context.tokens import of_block
from agentsvc.domain.messages import Block, HintBlock, Msg, ToolCallBlock, ToolResultBlock
from agentsvc.domain.states import ReplyContext


class Cut(NamedTuple):
    """Before this block of this message; ``after`` are the tokens from there to the end."""

    message: int
    block: int
    after: int


class _Unit(NamedTuple):
    message: int
    place: int
    block: Block


def in_flight(context: Sequence[Msg], reply: ReplyContext) -> Msg | None:
    """The message of the reply, which is the last."""
    last = context[-1] if context else None
    return last if last is not None and last.id == reply.reply_id else None


def hidden(context: Sequence[Msg], reply: ReplyContext) -> int:
    """How many leading blocks of the last message are in the summary."""
    return reply.summarised if in_flight(context, reply) is not None else 0


def visible(context: Sequence[Msg], reply: ReplyContext) -> list[Msg]:
    """What of the context is not in the summary. Messages that are visible as a whole are the same objects."""
    shown = list(context)
    if first := hidden(context, reply):
        shown[-1] = replace(shown[-1], content=shown[-1].content[first:])
    return [message for message in shown if message.content]


def cuts(context: Sequence[Msg], reply: ReplyContext) -> list[Cut]:
    """All places, from the start to the end, which are the first and the last of them. In time O(n).

    A call stays with its result, the blocks of one answer of a model stay together (a signature covers what follows
    it), and no place lies behind a call of the reply in flight that is still open.
    """
    units = list(_units(context, hidden(context, reply)))
    answered = _answered(units)
    stop = _first_open(units, answered, len(context) - 1 if in_flight(context, reply) is not None else -1)
    after = sum(of_block(unit.block) for unit in units)
    found: list[Cut] = []
    reach = -1
    for place, unit in enumerate(units):
        if place > stop:
            break
        if reach < place and not _inside_answer(context, units, place):
            found.append(Cut(unit.message, unit.place, after))
        reach = max(reach, answered.get(place, -1))
        after -= of_block(unit.block)
    if stop >= len(units):
        found.append(Cut(len(context), 0, 0))
    return found


def between(context: Sequence[Msg], reply: ReplyContext, start: Cut, end: Cut) -> list[Msg]:
    """What is visible between two places. Messages that lie there as a whole are the same objects."""
    skipped = hidden(context, reply)
    found: list[Msg] = []
    for number in range(start.message, min(end.message + 1, len(context))):
        message = context[number]
        first = skipped if number == len(context) - 1 else 0
        first = max(first, start.block) if number == start.message else first
        content = message.content[first : end.block if number == end.message else None]
        if content:
            found.append(message if len(content) == len(message.content) else replace(message, content=content))
    return found


def _units(context: Sequence[Msg], skipped: int) -> Iterator[_Unit]:
    for number, message in enumerate(context):
        first = skipped if number == len(context) - 1 else 0
        for place in range(first, len(message.content)):
            yield _Unit(number, place, message.content[place])


def _answered(units: Sequence[_Unit]) -> dict[int, int]:
    """Where the result of the call at each place is."""
    waiting: dict[str, int] = {}
    answered: dict[int, int] = {}
    for place, unit in enumerate(units):
        if isinstance(unit.block, ToolCallBlock):
            waiting[unit.block.id] = place
        elif isinstance(unit.block, ToolResultBlock) and unit.block.id in waiting:
            answered[waiting[unit.block.id]] = place
    return answered


def _first_open(units: Sequence[_Unit], answered: dict[int, int], last: int) -> int:
    """The place of the first open call of the message ``last``; else behind the end."""
    for place, unit in enumerate(units):
        if unit.message != last or not isinstance(unit.block, ToolCallBlock):
            continue
        result = units[answered[place]].block if place in answered else None
        if not isinstance(result, ToolResultBlock) or result.state == "running":
            return place
    return len(units)


def _inside_answer(context: Sequence[Msg], units: Sequence[_Unit], place: int) -> bool:
    if place == 0 or context[units[place].message].role != "assistant":
        return False
    previous, unit = units[place - 1], units[place]
    return previous.message == unit.message and not isinstance(previous.block, ToolResultBlock | HintBlock)
