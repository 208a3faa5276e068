"""The ways in which a Redis that answers refuses to write."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Refusal:
    """``begin`` and ``end`` are commands of an operator; ``told`` is in the error."""

    name: str
    begin: tuple[str, ...]
    end: tuple[str, ...]
    told: str

    def __str__(self) -> str:
        return self.name

    @contextmanager
    def of(self, operator: Any) -> Generator[None]:
        """Until the end of the block."""
        operator.execute_command(*self.begin)
        try:
            yield
        finally:
            operator.execute_command(*self.end)


FULL = Refusal("full", ("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "maxmemory")
REFUSALS = (
    FULL,
    # The replica of a server that is away: it keeps what it has, and takes nothing.
    Refusal("a replica", ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "read only replica"),
    Refusal(
        "without its replicas",
        ("CONFIG", "SET", "min-replicas-to-write", "1"),
        ("CONFIG", "SET", "min-replicas-to-write", "0"),
        "Not enough good replicas",
    ),
)
