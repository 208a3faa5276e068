"""The budgets of one worker, and what was measured of each."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.bench.figures import Row

Value = Callable[[Sequence[Row]], float | None]


class Budget(NamedTuple):
    """``value`` finds the figure among the rows of one system; it is to be at most ``target``, or at least."""

    what: str
    unit: str
    target: float
    value: Value
    at_least: bool = False

    def share(self, value: float) -> float:
        """How much of the budget is used: 1.0 is all of it."""
        if self.at_least:
            return self.target / value if value else float("inf")
        return value / self.target


def _figure(scenario: str, name: str, **case: Any) -> Value:
    def value(rows: Sequence[Row]) -> float | None:
        found = [row for row in rows if row["scenario"] == scenario and case.items() <= row.items()]
        return found[-1].get(name) if found else None

    return value


def _growth(small: Value, large: Value) -> Value:
    """How many times as much the large case takes as the small one."""

    def value(rows: Sequence[Row]) -> float | None:
        one, other = small(rows), large(rows)
        return round(other / one, 2) if one and other else None

    return value


def _turns(name: str) -> Value:
    return _growth(_figure("g", name, turn=10), _figure("g", name, turn=1000))


def _compressed(name: str) -> Value:
    return _growth(_figure("k", name, turn=10), _figure("k", name, turn=2000))


def _pages(name: str) -> Value:
    few, many = ({"records": count, "request": name} for count in (10, 10_000))
    return _growth(_figure("f", "c1_ms_p50", **few), _figure("f", "c1_ms_p50", **many))


_PACED = {"subscribers": 500, "mode": "paced"}

BUDGETS = (
    Budget("first token over the raw model, p50", "ms", 5, _figure("a", "ttft_overhead_ms_p50")),
    Budget("first token over the raw model, p99", "ms", 15, _figure("a", "ttft_overhead_ms_p99")),
    Budget("burst: CPU of 1,000 tokens", "ms", 25, _figure("b", "cpu_ms_per_1000_tokens")),
    Budget("burst: tokens", "1/s", 40_000, _figure("b", "tokens_per_s"), at_least=True),
    Budget("burst: round trips to Redis a token", "", 1, _figure("b", "redis_round_trips_per_token")),
    Budget("500 subscribers at 50 tokens/s: lag, p99", "ms", 25, _figure("c", "lag_ms_p99", **_PACED)),
    Budget(
        "500 subscribers at 50 tokens/s: CPU of 1,000 deliveries",
        "ms",
        25,
        _figure("c", "cpu_ms_per_1000_tokens", **_PACED),
    ),
    Budget("200 sessions at 50 tokens/s: wall over ideal", "", 1.05, _figure("d", "wall_over_ideal", sessions=200)),
    Budget("400 sessions at 50 tokens/s: wall over ideal", "", 1.2, _figure("d", "wall_over_ideal", sessions=400)),
    Budget("turn 1,000 over turn 10: first token", "", 1.2, _turns("first_token_ms_p50")),
    Budget("turn 1,000 over turn 10: CPU", "", 1.2, _turns("cpu_ms_per_turn")),
    Budget("turn 2,000 over turn 10, compressed: first token", "", 1.2, _compressed("first_token_ms_p50")),
    Budget("turn 2,000 over turn 10, compressed: CPU", "", 1.2, _compressed("cpu_ms_per_turn")),
    Budget("10 agents of 10,000 over of 10", "", 1.5, _pages("10 agents")),
    Budget("10 sessions of 10,000 over of 10", "", 1.5, _pages("10 sessions")),
    Budget("10 messages of 10,000 over of 10", "", 1.5, _pages("10 messages")),
    Budget("idle worker: CPU", "%", 1, _figure("h", "cpu_pct", idle="no subscriber")),
    Budget("idle worker: memory", "MB", 110, _figure("h", "pss_mb", idle="no subscriber")),
    Budget("idle subscriber: memory", "KB", 40, _figure("h", "kb_per_subscriber", idle="500 subscribers")),
    Budget("start to healthy", "s", 1.5, _figure("h", "start_s", idle="start")),
)
