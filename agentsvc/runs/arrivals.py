"""What waits for the agent of a session while it is at work, and what of it goes into the reply in flight."""

from collections import deque
from collections.abc import Sequence

from agentsvc.bus.inbox import Inbox
from agentsvc.bus.leases import Grant
from agentsvc.domain.messages import Msg
from agentsvc.domain.runs import Input, Messages
from agentsvc.runs.journal import ReplyJournal
from agentsvc.runs.reading import input_of
from agentsvc.runs.writer import Writer


class Arrivals:
    """The entries of the inbox that are not taken in yet, oldest first."""

    def __init__(self, inbox: Inbox, writer: Writer, grant: Grant) -> None:
        self._inbox = inbox
        self._writer = writer
        self._session_id = grant.session_id
        self._waiting: deque[tuple[bytes, Input | None]] = deque()
        self._last = b"-"
        self._keep(grant.inbox)

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def next(self) -> tuple[bytes, Input | None]:
        """The oldest entry and what it says; nothing when it cannot be read."""
        return self._waiting.popleft()

    async def look(self) -> None:
        """Find what has come in since the last look."""
        self._keep(await self._inbox.waiting(self._session_id, self._last))

    async def into(self, journal: ReplyJournal) -> list[Msg]:
        """Messages that the reply takes in now. Their entries go with its next record.

        Those that told a reply to stop are not for it, and neither is what came after them.
        """
        await self._writer.settle()
        if self._writer.waiting > len(self._waiting):
            await self.look()
        messages: list[Msg] = []
        left: deque[tuple[bytes, Input | None]] = deque()
        stopped = False
        for entry, given in self._waiting:
            stopped = stopped or (isinstance(given, Messages) and given.interrupt)
            if isinstance(given, Messages) and given.messages and not stopped:
                messages += given.messages
                journal.take_in(entry)
            else:
                left.append((entry, given))
        self._waiting = left
        return messages

    def _keep(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        self._waiting += [(entry, input_of(raw)) for entry, raw in entries]
        if entries:
            self._last = b"(" + entries[-1][0]
