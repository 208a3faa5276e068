"""The scenarios by letter, what tells the cases of one apart, and what is shown of it."""

from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from tests.bench.figures import Row
from tests.bench.options import Options
from tests.bench.scenarios.crowds import sessions, subscribers, workers
from tests.bench.scenarios.idle import idle
from tests.bench.scenarios.joins import joins
from tests.bench.scenarios.long import compressed, long
from tests.bench.scenarios.records import records
from tests.bench.scenarios.replies import burst, latency
from tests.bench.scenarios.schedules import schedules
from tests.bench.stack import Stack

_COST = "cpu_ms_per_1000_tokens cpu_ms_per_1000_events redis_ops_per_token redis_round_trips_per_token "
_LAG = "lag_ms_p50 lag_ms_p99 "
_SESSIONS = (
    "wall_over_ideal first_token_ms_p50 first_token_ms_p99 " + _LAG + "gap_ms_p99 " + _COST + "service_cpu_s pss_mb "
    "redis_clients missing errors foreign_cpu_pct"
)
_TURN = (
    "first_token_ms_p50 whole_ms_p50 reach_model_ms_p50 cpu_ms_per_turn redis_ops_per_turn redis_round_trips_per_turn "
    "pss_mb foreign_cpu_pct"
)


class Scenario(NamedTuple):
    title: str
    run: Callable[[Stack, Options], AsyncIterator[Row]]
    cases: tuple[str, ...]
    shown: tuple[str, ...]


def _scenario(title: str, run: Callable[[Stack, Options], AsyncIterator[Row]], cases: str, shown: str) -> Scenario:
    return Scenario(title, run, tuple(cases.split()), tuple(shown.split()))


SCENARIOS = {
    "a": _scenario(
        "the first token",
        latency,
        "",
        "post_ms_p50 first_event_ms_p50 reach_model_ms_p50 token_to_client_ms_p50 ttft_overhead_ms_p50 "
        "ttft_overhead_ms_p99 whole_200_overhead_ms_p50 cpu_ms_per_turn redis_ops_per_turn redis_round_trips_per_turn",
    ),
    "b": _scenario(
        "a burst",
        burst,
        "",
        "tokens events tokens_per_s events_per_s "
        + _COST
        + "bytes_per_event lag_ms_p99 pss_mb missing foreign_cpu_pct",
    ),
    "c": _scenario(
        "many subscribers of one reply",
        subscribers,
        "subscribers mode",
        "tokens_per_s events_per_s wall_ms " + _LAG + _COST + "pss_mb redis_clients missing error foreign_cpu_pct",
    ),
    "d": _scenario("many replies at once", sessions, "sessions workers", _SESSIONS),
    "e": _scenario(
        "joining late",
        joins,
        "buffered joins reply_tokens",
        "replayed_tokens replayed_events missing first_event_ms last_replayed_ms tokens_per_s cpu_ms_per_1000_tokens "
        "joins_with_missing joins_with_duplicated joins_with_disordered joins_with_a_hole largest_hole",
    ),
    "f": _scenario(
        "many records",
        records,
        "records request",
        "bytes c1_ms_p50 c1_ms_p99 c8_per_s c8_ms_p99 first_token_ms_p50 cpu_ms_per_request redis_ops_per_request "
        "redis_round_trips_per_request pss_mb",
    ),
    "g": _scenario(
        "a long session",
        long,
        "turn",
        _TURN,
    ),
    "h": _scenario(
        "start and rest",
        idle,
        "idle",
        "start_s cpu_pct rss_mb pss_mb kb_per_subscriber redis_ops_per_s redis_round_trips_per_s redis_clients",
    ),
    "i": _scenario(
        "schedules",
        schedules,
        "schedules workers",
        "fired missed duplicated fired_within_60_s late_ms_p50 late_ms_p99 late_ms_max service_cpu_s pss_mb",
    ),
    "j": _scenario("two workers", workers, "sessions workers", _SESSIONS),
    "k": _scenario("a long session that is compressed", compressed, "turn", _TURN),
}
