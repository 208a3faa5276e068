"""The benchmark itself: that it runs, and that what it counts is there."""

import sys

import pytest

from tests.bench.__main__ import measure
from tests.bench.options import Options, System
from tests.bench.table import tables

pytestmark = pytest.mark.slow

SMALL = Options(turns=2, tokens=50, subscribers=(2,), sessions=(2,), replay=(50,), records=(10,), marks=(10,), idle=2)


@pytest.mark.parametrize("system", ["agentsvc", "lean"])
async def test_every_token_of_the_model_is_counted_once_and_in_order(system):
    measured = System(system, "", sys.executable)

    (row,) = [row async for row in measure([measured], "b", SMALL)]

    assert row["tokens"] == SMALL.tokens
    assert row["missing"] == row["duplicated"] == row["disordered"] == 0
    assert row["cpu_ms_per_1000_tokens"] > 0
    assert row["redis_round_trips_per_token"] > 0


@pytest.mark.parametrize("scenario", ["a", "c", "d", "f", "g"])
async def test_a_scenario_of_the_service_ends_with_figures(scenario):
    service = System("agentsvc", "", sys.executable)

    rows = [row async for row in measure([service], scenario, SMALL)]

    assert rows
    assert not [row for row in rows if "failed" in row or "error" in row]
    assert f"### {scenario}:" in "\n".join(tables(rows))
