"""A journal in memory, of which a death may lose the end."""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from agentsvc.agent.loop import Reply
from agentsvc.domain import events as ev
from agentsvc.domain.messages import HintBlock, Msg
from agentsvc.domain.states import AgentState
from tests.agent.scripts import Death

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(AgentState).decode

ARRIVED = "arrived"
"""What the ids of messages begin with that come while a reply runs."""


class Entry(Struct, frozen=True):
    """What was recorded, how many events of this worker belong to it, and which messages it took from the inbox."""

    state: bytes
    events: int
    taken: list[str]


class Ledger:
    """A journal that could be read again by somebody else. ``inbox`` is what has come and is not taken in."""

    def __init__(self, inbox: list[Msg], taken: Sequence[str]) -> None:
        self.entries: list[Entry] = []
        self.settled = 0
        self.happened: list[ev.Event] = []
        self.reply: Reply
        self._inbox = inbox
        self._before = list(taken)
        self._given: list[Msg] = []

    async def arrivals(self) -> Sequence[Msg]:
        """What has come; with the next record it is taken."""
        came = list(self._inbox)
        self._inbox.clear()
        self._given += came
        return came

    def record(self) -> None:
        taken = [message.id for message in self._given]
        assert arrived(self.reply.message) == [*self._before, *taken], "a message without its hint, or the other way"
        self.entries.append(Entry(encode(self.reply.state), len(self.happened), taken))

    async def settle(self) -> None:
        self.settled = len(self.entries)

    def surviving(self, death: Death) -> Entry | None:
        """The last record that was kept; what was given and not taken with it waits again."""
        left = max(self.settled, len(self.entries) - death.lost)
        entry = self.entries[left - 1] if left else None
        taken = entry.taken if entry is not None else []
        self._inbox[:0] = [message for message in self._given if message.id not in taken]
        return entry


def arrived(reply: Msg) -> list[str]:
    """The ids of the messages that the reply has taken in."""
    ids = [block.id for block in reply.content if isinstance(block, HintBlock)]
    return [each for each in ids if each.startswith(ARRIVED)]
