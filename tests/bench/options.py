"""What a run of the benchmark is told."""

from pathlib import Path

from msgspec import Struct


class System(Struct, frozen=True):
    """A system to measure: the adapter, a variant that the adapter knows, and a Python that has it installed."""

    adapter: str
    variant: str
    python: str

    def __str__(self) -> str:
        return f"{self.adapter} {self.variant}".strip()


class Options(Struct, frozen=True, kw_only=True):
    """Sizes of the cases of each scenario. ``limit`` is in seconds for one reply, ``quiet`` in percent of one core."""

    runs: int = 1
    limit: float = 60.0
    quiet: float = 0.0
    quiet_wait: float = 30.0
    keep: bool = False
    spy: Path | None = None
    turns: int = 20
    tokens: int = 2000
    subscribers: tuple[int, ...] = (1, 100, 500)
    sessions: tuple[int, ...] = (1, 50, 200, 400)
    replay: tuple[int, ...] = (2000, 20_000)
    records: tuple[int, ...] = (10, 1000, 10_000)
    marks: tuple[int, ...] = (10, 100, 1000)
    idle: int = 500
    schedules: int = 1000
