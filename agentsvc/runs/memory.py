"""What a worker remembers of sessions between their runs, so that a turn does not read a long conversation again."""

from collections import OrderedDict

from msgspec import Struct

from agentsvc.domain.ids import SessionId
from agentsvc.domain.states import AgentState
from agentsvc.runs.journal import Stored


class Remembered(Struct, frozen=True):
    """The state as the holder of the lease with this ``token`` left it; ``size`` are its bytes where it is stored."""

    token: str
    state: AgentState
    stored: Stored
    size: int


class Memory:
    """States by session, the least recently used given up first, of at most ``limit`` bytes as they are stored.

    Whether one is still true only the lease can tell: nobody else may have held the session since.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._states: OrderedDict[SessionId, Remembered] = OrderedDict()

    def take(self, session_id: SessionId) -> Remembered | None:
        """Whoever takes a state changes it, so it is forgotten here."""
        found = self._states.pop(session_id, None)
        if found is not None:
            self._held -= found.size
        return found

    def keep(self, session_id: SessionId, remembered: Remembered) -> None:
        self.take(session_id)
        if remembered.size > self._limit:
            return
        self._states[session_id] = remembered
        self._held += remembered.size
        while self._held > self._limit:
            _, given_up = self._states.popitem(last=False)
            self._held -= given_up.size
