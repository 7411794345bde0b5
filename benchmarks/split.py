"""What the optima of a split cost, what keeping its days saves, and what one batched search does.

    python benchmarks/split.py --community simbench-rural --days 16

Each day is solved twice in turns within one run: with the day as it is kept from when its key was made, and with all days made anew each
time they are asked for. Times are processor time of one process, medians over days; the ratio is the median of the days' own.

Then all days are solved one by one and in a batched search, with one job and with two, in turns: processor and wall time a day, medians.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final
from unittest.mock import patch

from clearing import machine

from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.sources import COMMUNITY_NAMES, DEFAULT_COMMUNITY
from gridtoll.envs.games.days import KeptDays
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.references.optima import find_optima, find_optimum
from gridtoll.train.references.solved import Settings
from gridtoll.train.task import environment_of
from gridtoll.train.workers import Workers

_TURNS: Final = 3


def main() -> None:
    """Measure, and print the row."""
    parser = argparse.ArgumentParser(description="Measure optima of a split.")
    parser.add_argument("--community", default=DEFAULT_COMMUNITY, choices=COMMUNITY_NAMES)
    parser.add_argument("--days", type=int, default=16, help="days of the test split (default: %(default)s)")
    options = parser.parse_args()
    print(machine())
    print(json.dumps({"community": options.community, **measure(GameSpec(community=options.community), options.days)}))


def measure(task: GameSpec, n_days: int) -> dict[str, float]:
    """Return milliseconds a day with days kept and made anew, their ratio, and clearings a day."""
    scenarios = environment_of(task).community.scenarios("test", n_days)
    for _ in range(2):
        _solve(task, scenarios[0])  # compiles if need be
    kept, anew, clearings = [], [], []
    for scenario in scenarios:
        taken, found = _solve(task, scenario)
        kept.append(taken)
        clearings.append(found)
        with patch.object(KeptDays, "of", lambda _, scenario, make: make(scenario)):
            anew.append(_solve(task, scenario)[0])
    return {
        "kept_ms": 1e3 * statistics.median(kept),
        "anew_ms": 1e3 * statistics.median(anew),
        "ratio": statistics.median(a / b for a, b in zip(anew, kept, strict=True)),
        "clearings": statistics.mean(clearings),
        "days": len(scenarios),
        **_in_turns(task, scenarios),
    }


def _in_turns(task: GameSpec, scenarios: Sequence[Scenario]) -> dict[str, float]:
    """Return milliseconds a day of optima found one by one and together."""
    ways: dict[str, Callable[[], object]] = {
        "alone": lambda: [_solve(task, scenario) for scenario in scenarios],
        "one_job": lambda: find_optima(task, scenarios, Workers(1), recompute=True),
        "two_jobs": lambda: find_optima(task, scenarios, Workers(2), recompute=True),
    }
    taken: dict[str, list[float]] = {}
    for _ in range(_TURNS):
        for name, solve in ways.items():
            processor, wall = time.process_time(), time.perf_counter()
            solve()
            taken.setdefault(f"{name}_ms", []).append(1e3 * (time.process_time() - processor) / len(scenarios))
            taken.setdefault(f"{name}_wall_ms", []).append(1e3 * (time.perf_counter() - wall) / len(scenarios))
    return {name: statistics.median(values) for name, values in taken.items()}


def _solve(task: GameSpec, scenario: Scenario) -> tuple[float, int]:
    """Return processor seconds and clearings of one optimum, key and account included, which is then kept in the store as ever."""
    solve = partial(find_optimum, task, scenario, Settings(), recompute=True)
    began = time.process_time()
    found, _ = solve()
    return time.process_time() - began, found.clearings


if __name__ == "__main__":
    main()
