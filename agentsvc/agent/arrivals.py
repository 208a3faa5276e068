"""Messages that come while a reply is running: it takes them in as hints, and they can be made of these again."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Literal

import msgspec
from msgspec import Struct

from agentsvc.agent.context.intake import admitted
from agentsvc.agent.interruption import Interrupted, Interruption
from agentsvc.agent.standing import Standing
from agentsvc.domain import events as ev
from agentsvc.domain.messages import Block, DataBlock, HintBlock, Msg, TextBlock

Arrivals = Callable[[], Awaitable[Sequence[Msg]]]
"""Gives the messages that have come since it was last asked; cancelled while it waits, it has given none.

They count as taken in with the next record of the journal: no step comes between.
"""


async def none() -> Sequence[Msg]:
    """Nobody says anything meanwhile."""
    return ()


class _Source(Struct, frozen=True):
    """Who speaks in a hint, in the form in which front ends show it; these are a user's."""

    sublabel: str
    label: Literal["User"]


class Arriving:
    """What one reply takes in."""

    def __init__(self, arrivals: Arrivals, standing: Standing, interruption: Interruption) -> None:
        self._arrivals = arrivals
        self._standing = standing
        self._interruption = interruption
        self._hints: list[ev.Event] = []

    async def take(self) -> list[ev.Event]:
        """What has come. A message that was given is never lost: a stop only keeps its media from being put away."""
        came: Sequence[Msg] = ()
        with suppress(Interrupted), self._interruption:
            came = await self._arrivals()
        self._hints = self._told(came)
        agent = self._standing.agent
        with suppress(Interrupted), self._interruption:
            self._hints = self._told(await admitted(came, agent.model.input_types, agent.offload))
        return self._hints

    def untold(self) -> list[ev.Event]:
        """Those whose hints were kept back; a middleware may fail before it has passed them on."""
        known = {block.id for block in self._standing.message.content if isinstance(block, HintBlock)}
        return [hint for hint in self._hints if isinstance(hint, ev.HintBlockEvent) and hint.block_id not in known]

    def _told(self, messages: Iterable[Msg]) -> list[ev.Event]:
        return [_hint(message, self._standing.reply_id, self._standing.clock()) for message in messages]


def said(blocks: Iterable[Block]) -> list[Msg]:
    """The messages that were taken in among these blocks, as they would stand if there were no reply around them."""
    return [message for block in blocks if isinstance(block, HintBlock) and (message := _message(block)) is not None]


def _hint(message: Msg, reply_id: str, at: str) -> ev.HintBlockEvent:
    source = msgspec.json.encode(_Source(sublabel=message.name, label="User")).decode()
    return ev.HintBlockEvent(
        reply_id=reply_id, block_id=message.id, hint=_content(message), source=source, created_at=at
    )


def _content(message: Msg) -> str | list[TextBlock | DataBlock]:
    match message.content:
        case [TextBlock(text=text)]:
            return text
        case blocks:
            return [block for block in blocks if isinstance(block, TextBlock | DataBlock)]


def _message(hint: HintBlock) -> Msg | None:
    try:
        source = msgspec.json.decode(hint.source or "", type=_Source)
    except msgspec.MsgspecError:
        return None
    text = TextBlock(id=hint.id, created_at=hint.created_at, text=hint.hint) if isinstance(hint.hint, str) else None
    content = hint.hint if isinstance(hint.hint, list) else [text] if text else []
    return Msg(id=hint.id, name=source.sublabel, role="user", content=[*content], created_at=hint.created_at)
