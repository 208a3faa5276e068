"""Results as Markdown tables, systems side by side: ``python -m tests.bench.table FILE...``."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.budgets import BUDGETS, Budget
from tests.bench.figures import Row
from tests.bench.scenarios.index import SCENARIOS


def tables(rows: Sequence[Row]) -> Iterator[str]:
    """One for each scenario, and the budgets at last."""
    for name in sorted({row["scenario"] for row in rows}):
        yield from _scenario(name, [row for row in rows if row["scenario"] == name])
    yield from _budgets(rows)


def _scenario(name: str, rows: Sequence[Row]) -> Iterator[str]:
    scenario = SCENARIOS[name]
    cases = [column for column in scenario.cases if any(column in row for row in rows)]
    shown = [column for column in (*scenario.shown, "failed") if any(row.get(column) is not None for row in rows)]
    order = {case: place for place, case in enumerate(dict.fromkeys(_case(row, cases) for row in rows))}
    yield f"\n### {name}: {scenario.title}\n"
    yield from _head([*cases, "system", *shown])
    for row in sorted(rows, key=lambda row: order[_case(row, cases)]):
        yield _line([row.get(column) for column in cases] + [row["system"]] + [row.get(column) for column in shown])


def _case(row: Row, cases: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row.get(column) for column in cases)


def _budgets(rows: Sequence[Row]) -> Iterator[str]:
    systems = list(dict.fromkeys(row["system"] for row in rows))
    values = {
        system: [budget.value([row for row in rows if row["system"] == system]) for budget in BUDGETS]
        for system in systems
    }
    yield "\n### Budgets\n"
    yield from _head(["what", "unit", "budget", *(word for system in systems for word in (system, "used"))])
    for place, budget in enumerate(BUDGETS):
        found = [values[system][place] for system in systems]
        if any(value is not None for value in found):
            yield _line(
                [budget.what, budget.unit, _bound(budget), *(word for value in found for word in _used(budget, value))]
            )


def _bound(budget: Budget) -> str:
    return f"{'≥' if budget.at_least else '≤'} {budget.target:,}"


def _used(budget: Budget, value: float | None) -> tuple[float | None, str]:
    return (None, "") if value is None else (value, f"{100 * budget.share(value):,.0f} %")


def _head(words: Sequence[str]) -> Iterator[str]:
    yield _line(words)
    yield "|" + "-|" * len(words)


def _line(values: Sequence[Any]) -> str:
    return "| " + " | ".join(_word(value) for value in values) + " |"


def _word(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def read(paths: Sequence[str]) -> list[Row]:
    """The rows of files of JSON lines."""
    return [msgspec.json.decode(line) for path in paths for line in Path(path).read_bytes().splitlines()]


if __name__ == "__main__":
    print("\n".join(tables(read(sys.argv[1:]))))
