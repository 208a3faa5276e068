"""Where a reply is written down while it grows, as the agent sees it."""

from typing import Protocol


class Journal(Protocol):
    """Keeps the state of a reply at the end of each step."""

    def record(self) -> None:
        """Take down the reply as it stands; the writing goes on beside it, in order."""

    async def settle(self) -> None:
        """Wait until all that was recorded is kept. Nothing with an effect outside may begin before."""
