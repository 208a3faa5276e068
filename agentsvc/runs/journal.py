"""The journal of one reply: at the end of each step, what has changed moves in one write."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from agentsvc.agent.loop import Reply
from agentsvc.bus.leases import Entry, Mark
from agentsvc.domain.messages import Msg, encode_message
from agentsvc.domain.states import AgentState
from agentsvc.runs.account import Account
from agentsvc.runs.writer import Writer

_encode = msgspec.json.Encoder().encode


def encode_state(state: AgentState) -> bytes:
    """What is stored of a state: its context is apart, message by message."""
    return _encode(replace(state, context=[]))


class Stored(NamedTuple):
    """The context as it is in Redis: its messages, and how many bytes each of them has there."""

    messages: list[Msg]
    lengths: list[int]


class ReplyJournal:
    """Compares the state with what is stored and writes the difference, so a step costs what is new in it.

    ``entry`` of the inbox is what the reply is asked for by, and goes with the first record; one that tells it to end
    (``closing``) with its end, since nothing else would tell whoever takes over. ``stored`` and ``recorded``, the state
    that was taken down last, are as of the last record.
    """

    def __init__(
        self,
        writer: Writer,
        account: Account,
        stored: Stored,
        entry: bytes | None,
        *,
        resumed: bool,
        closing: bool = False,
    ) -> None:
        self._writer = writer
        self._account = account
        self.stored = stored
        self._done: Sequence[bytes] = () if entry is None else (entry,)
        self._resumed = resumed
        self._closing = closing
        self._begun = False
        self.recorded: AgentState | None = None
        self.reply: Reply

    def take_in(self, entry: bytes) -> None:
        """This one goes with the next record, too."""
        self._done = (*self._done, entry)

    def record(self) -> None:
        state, message = self.reply.state, self.reply.message
        kept = _common(self.stored.messages, state.context)
        reply = b"" if self.reply.discarded else encode_message(message)
        context = [reply if each is message else encode_message(each) for each in state.context[kept:]]
        mark = self._mark(state)
        done, self._done = ((), self._done) if self._closing and mark == "" else (self._done, ())
        self._writer.attach(
            Entry(
                mark=mark,
                done=done,
                keep=kept,  # also when all stay: what a write that is sent again had added goes first
                context=context,
                messages=[(message.id, reply)],
                state=encode_state(state),
                kept=len(state.waiting),
                run=self._account.fields,
            )
        )
        self.stored = Stored(state.context, [*self.stored.lengths[:kept], *map(len, context)])
        self._begun = True
        self.recorded = state

    async def settle(self) -> None:
        await self._writer.settle()

    def _mark(self, state: AgentState) -> Mark:
        if not state.reply_context.reply_id:
            return "next" if state.waiting else "end"
        return "" if self._begun or self._resumed else "start"


def _common(stored: list[Msg], context: list[Msg]) -> int:
    """How many messages at the beginning are the same objects."""
    count = 0
    for one, other in zip(stored, context, strict=False):
        if one is not other:
            break
        count += 1
    return count
