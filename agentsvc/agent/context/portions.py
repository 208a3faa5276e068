"""A conversation that is too long for one request, in portions."""

from collections.abc import Sequence

from agentsvc.agent.context.cuts import Cut, between, cuts
from agentsvc.agent.context.notices import info, notice
from agentsvc.agent.context.transcript import retold
from agentsvc.domain.messages import Msg
from agentsvc.domain.states import ReplyContext

_MOST = 8
_LEFT_OUT = notice(info("What came before this was too long to be read."))


def portions(messages: Sequence[Msg], room: int) -> list[list[Msg]]:
    """In order, each of at most ``room`` tokens; a single round that has more is told in short.

    At most eight, so that the cost is bounded: then the oldest are left out, which the first one says.
    """
    places = cuts(messages, ReplyContext())
    found: list[list[Msg]] = []
    start = places[0]
    end = start
    for place in places[1:]:
        if start.after - place.after > room and end is not start:
            found.append(_portion(messages, start, end, room))
            start = end
        end = place
    if end is not start:
        found.append(_portion(messages, start, end, room))
    if len(found) > _MOST:
        found = [[_LEFT_OUT, *found[-_MOST]], *found[1 - _MOST :]]
    return found


def _portion(messages: Sequence[Msg], start: Cut, end: Cut, room: int) -> list[Msg]:
    part = between(messages, ReplyContext(), start, end)
    return part if start.after - end.after <= room else [retold(part, room)]
