"""How long something is tried again."""

import asyncio
import random

from agentsvc.kv.errors import Unreachable

_FIRST, _LONGEST = 0.02, 0.5  # seconds between two tries


class Patience:
    """Pauses that grow and are spread, so that many clients of one server do not come back together."""

    def __init__(self, seconds: float) -> None:
        self._until = asyncio.get_running_loop().time() + seconds
        self._pause = _FIRST

    async def spend(self, error: Exception) -> None:
        """Wait before the next try. Raises Unreachable once there is to be none."""
        if asyncio.get_running_loop().time() + self._pause > self._until:
            raise Unreachable(str(error) or type(error).__name__) from error
        await asyncio.sleep(spread(self._pause))
        self._pause = min(self._pause * 2, _LONGEST)


def spread(pause: float) -> float:
    """Between half of a pause and all of it."""
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - guards nothing
