"""What happened and when, for whoever has to find out why."""

import re
import time


class Diary:
    """``lines`` in the order of time, in seconds since the beginning. ``faults`` are what may not happen at all."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.lines: list[str] = []
        self.faults: list[str] = []

    def note(self, what: str) -> None:
        self.lines.append(f"{time.monotonic() - self._began:7.2f} {what}")

    def fault(self, what: str) -> None:
        self.note(f"FAULT {what}")
        self.faults.append(what)

    def about(self, what: str) -> list[str]:
        """The lines with this word in them."""
        word = re.compile(rf"\b{re.escape(what)}\b")
        return [line for line in self.lines if word.search(line)]
