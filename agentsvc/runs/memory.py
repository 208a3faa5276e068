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

    Whether one is still true only the lease can tell: nobody else may have held the session since. Nobody tells when a
    session is deleted, so each is kept for ``life_s`` at most, by a clock of the caller's.
    """

    def __init__(self, limit: int, life_s: float) -> None:
        self._limit = limit
        self._life_s = life_s
        self._held = 0
        self._states: OrderedDict[SessionId, tuple[Remembered, float]] = OrderedDict()

    def take(self, session_id: SessionId) -> Remembered | None:
        """Whoever takes a state changes it, so it is forgotten here."""
        found, _ = self._states.pop(session_id, (None, 0.0))
        if found is not None:
            self._held -= found.size
        return found

    def keep(self, session_id: SessionId, remembered: Remembered, now: float) -> None:
        self.take(session_id)
        if remembered.size > self._limit:
            return
        self._states[session_id] = remembered, now
        self._held += remembered.size
        while self._held > self._limit:
            self._give_up()

    def age(self, now: float) -> None:
        """Give up what has been kept for too long."""
        while self._states and next(iter(self._states.values()))[1] + self._life_s <= now:
            self._give_up()

    def _give_up(self) -> None:
        _, (given_up, _) = self._states.popitem(last=False)
        self._held -= given_up.size
