"""Measure the service, and the reference beside it when there is one: ``python -m tests.bench --help``."""

import argparse
import os
import resource
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from tests.bench.figures import Row, merged
from tests.bench.options import Options, System
from tests.bench.scenarios.index import SCENARIOS
from tests.bench.stack import Stack
from tests.bench.table import tables

REFERENCE = "AGENTSVC_BENCH_REFERENCE"
_USUAL = "abcdefgh"


async def measure(systems: Sequence[System], letters: Sequence[str], options: Options) -> AsyncIterator[Row]:
    """A row for each case of each system. Systems take turns, so that all have the same weather."""
    async with AsyncExitStack() as opened:
        stacks = [await opened.enter_async_context(Stack(system, options)) for system in systems]
        for letter in letters:
            found: dict[tuple[str, ...], list[Row]] = defaultdict(list)
            for _ in range(options.runs):
                for stack in stacks:
                    async for row in _once(stack, letter):
                        case = (row["system"], *(str(row.get(name)) for name in SCENARIOS[letter].cases))
                        found[case].append(row)
            for rows in found.values():
                yield merged(rows) | {"runs": len(rows), "load": round(os.getloadavg()[0], 2)}


async def _once(stack: Stack, letter: str) -> AsyncIterator[Row]:
    """One run of one scenario; when it breaks, the row says so and the others go on."""
    known = {"system": str(stack.system), "scenario": letter}
    print(f"{letter}  {SCENARIOS[letter].title}: {stack.system}", file=sys.stderr, flush=True)
    try:
        async for row in SCENARIOS[letter].run(stack, stack.options):
            print(f"   {_case(letter, row)}", file=sys.stderr, flush=True)
            yield known | row
    except (RuntimeError, OSError, NotImplementedError) as error:
        print(f"   failed: {error!r}", file=sys.stderr, flush=True)
        yield known | {"failed": repr(error)[:300]}
    finally:
        stack.rest()


def _case(letter: str, row: Row) -> str:
    return ", ".join(f"{name} {row[name]}" for name in SCENARIOS[letter].cases if name in row) or "done"


async def _main(given: argparse.Namespace) -> None:
    options = msgspec.convert(vars(given), Options)
    rows: list[Row] = []
    async for row in measure(given.system or _systems(), given.scenarios or _USUAL, options):
        rows.append(row)
        if given.out:
            with given.out.open("ab") as out:
                out.write(msgspec.json.encode(row) + b"\n")
    print("\n".join(tables(rows)))


def _systems() -> list[System]:
    ours = [System("agentsvc", "", sys.executable)]
    reference = os.environ.get(REFERENCE)
    return [*ours, System("agentscope", "tuned", str(Path(reference).absolute()))] if reference else ours


def _system(text: str) -> System:
    """``adapter[:variant][=python]``."""
    name, _, python = text.partition("=")
    adapter, _, variant = name.partition(":")
    return System(adapter, variant, str(Path(python).absolute()) if python else sys.executable)


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _given(arguments: Sequence[str]) -> argparse.Namespace:
    usual: Any = Options()
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="See README.md beside this file.")
    add = parser.add_argument
    add(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help=f"letters {', '.join(SCENARIOS)}; else {_USUAL[0]} to {_USUAL[-1]}",
    )
    add(
        "--system",
        action="append",
        type=_system,
        metavar="ADAPTER[:VARIANT][=PYTHON]",
        help="may be repeated; else the service, and the reference when " + REFERENCE + " is set",
    )
    add("--out", type=Path, help="add the rows to this file, one JSON object a line")
    add("--spy", type=Path, help="profile the service with py-spy into this file")
    add("--keep", action="store_true", help="keep the logs of the processes")
    for name in ("limit", "quiet", "quiet_wait"):
        add(f"--{name.replace('_', '-')}", type=float, default=getattr(usual, name))
    for name in ("runs", "turns", "tokens", "idle", "schedules"):
        add(f"--{name}", type=int, default=getattr(usual, name))
    for name in ("subscribers", "sessions", "replay", "records", "marks"):
        add(f"--{name}", type=_sizes, default=getattr(usual, name), metavar="N,N")
    given = parser.parse_args(arguments)
    if unknown := set(given.scenarios) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    return given


def _all_descriptors() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    _all_descriptors()
    # Whatever ends us, what we have started is ended first.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    uvloop.run(_main(_given(sys.argv[1:])))
