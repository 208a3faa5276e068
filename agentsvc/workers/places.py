"""Room for runs, which is set aside before requests are claimed."""

import asyncio


class Places:
    """At most ``count`` runs go on, also when several loops claim requests side by side: these take turns.

    ``free`` is how many more could begin now.
    """

    def __init__(self, count: int) -> None:
        self.free = count
        self._free = asyncio.Semaphore(count)

    async def reserve(self, most: int, gone: asyncio.Event) -> int:
        """Wait for a place, and take up to ``most`` that nobody else waits for: how many; 0 once ``gone`` is set."""
        count = 0
        if self._free.locked():
            if not await self._waited(gone):
                return 0
            count = 1
        while count < most and not self._free.locked():
            await self._free.acquire()  # at once
            count += 1
        self.free -= count
        return count

    def give_back(self, count: int = 1) -> None:
        self.free += count
        for _ in range(count):
            self._free.release()

    @property
    def wanted(self) -> bool:
        """Whether none is free, so that somebody may wait for one."""
        return self._free.locked()

    async def _waited(self, gone: asyncio.Event) -> bool:
        taking, going = asyncio.create_task(self._free.acquire()), asyncio.create_task(gone.wait())
        try:
            await asyncio.wait((taking, going), return_when=asyncio.FIRST_COMPLETED)
            return taking.done()
        finally:
            taking.cancel()
            going.cancel()
