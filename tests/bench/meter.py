"""What a case costs: CPU and memory of the service, work of its Redis, and who else used the machine."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import psutil
from redis import Redis

from tests.bench.figures import Row, per

_OURS = ("cmdstat_info", "cmdstat_flushall", "cmdstat_config")


class _Snapshot(NamedTuple):
    at: float
    service: float
    client: float
    others: float
    machine: float
    redis: dict[str, Any]


class Meter:
    """Measures between ``start`` and ``stop``. ``others`` are further processes of the harness."""

    def __init__(self, service: int, redis: "Redis | None", others: Sequence[int]) -> None:
        self._service = service
        self._redis = redis
        self._others = others
        self._began: _Snapshot | None = None

    def start(self) -> None:
        self._began = self._snapshot()

    def stop(self, events: int = 0, tokens: int = 0) -> Row:
        """The figures, and where ``events`` and ``tokens`` were delivered, each for one of those."""
        began, now = self._began, self._snapshot()
        assert began is not None
        elapsed, cpu = now.at - began.at, now.service - began.service
        redis = _redis_work(began.redis, now.redis) if self._redis is not None else {}
        ours = cpu + now.client - began.client + now.others - began.others + redis.get("redis_cpu_s", 0.0)
        row = {
            "service_cpu_s": round(cpu, 4),
            "service_cpu_pct": round(100 * cpu / elapsed, 1),
            "client_cpu_pct": round(100 * (now.client - began.client) / elapsed, 1),
            # CPU that is neither the harness's nor idle: who else uses this machine.
            "foreign_cpu_pct": round(100 * max(0.0, now.machine - began.machine - ours) / elapsed, 1),
            "rss_mb": self._memory_mb("rss"),
            # What processes share is counted once: forked workers share much with their parent.
            "pss_mb": self._memory_mb("pss"),
            **redis,
        }
        for name, count in (("event", events), ("token", tokens)):
            if count:
                row |= _each(row, name, count)
        return row

    def _memory_mb(self, kind: str) -> float:
        return round(sum(_memory(process, kind) for process in self._family()) / 1e6, 1)

    def _family(self) -> list[psutil.Process]:
        process = psutil.Process(self._service)
        return [process, *process.children(recursive=True)]

    def _snapshot(self) -> _Snapshot:
        return _Snapshot(
            at=time.monotonic(),
            service=_cpu_s(process.pid for process in self._family()),
            client=time.process_time(),
            others=_cpu_s(self._others),
            machine=sum(psutil.cpu_times()[:3]),  # user, nice, system
            redis=_info(self._redis) if self._redis is not None else {},
        )


def _redis_work(began: dict[str, Any], now: dict[str, Any]) -> Row:
    commands = {name: count - began["commands"].get(name, 0) for name, count in now["commands"].items()}
    busiest = sorted(((count, name) for name, count in commands.items() if count), reverse=True)
    return {
        "redis_ops": sum(commands.values()),
        # One read brings a whole batch of commands; the one that brought our INFO is not counted.
        "redis_round_trips": now["reads"] - began["reads"] - 1,
        "redis_cpu_s": round(now["cpu"] - began["cpu"], 3),
        "redis_clients": now["clients"] - 1,
        "redis_by_command": {name: count for count, name in busiest[:8]},
    }


def _each(row: Row, name: str, count: int) -> Row:
    each: Row = {f"cpu_ms_per_1000_{name}s": per(1e6 * row["service_cpu_s"], count, 1)}
    if "redis_ops" in row:
        each[f"redis_ops_per_{name}"] = per(row["redis_ops"], count, 3)
        each[f"redis_round_trips_per_{name}"] = per(row["redis_round_trips"], count, 3)
    return each


def _info(redis: "Redis") -> dict[str, Any]:
    found: Any = redis.info("all")
    return {
        "commands": {
            name.removeprefix("cmdstat_"): value["calls"]
            for name, value in found.items()
            if name.startswith("cmdstat_") and not name.startswith(_OURS)
        },
        "reads": found["total_reads_processed"],
        "cpu": found["used_cpu_user"] + found["used_cpu_sys"],
        "clients": found["connected_clients"],
    }


def _cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds, from the clock of each process, which counts nanoseconds (see ``clock_getcpuclockid``)."""
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime((~pid << 3) | 2)
        except OSError:  # it has ended
            continue
    return total


def _memory(process: psutil.Process, kind: str) -> int:
    try:
        return int(getattr(process.memory_full_info(), kind))
    except psutil.Error:
        return 0
