"""How one charge for many scenarios grows with their number: clearings, processor time, memory.

    python benchmarks/standing.py --community ieee9 --scenarios 100,300,1000,3000,10000

Scenarios are training days in turn, each with sun and prices of its own: the sun of every period is multiplied by the exponential of a
seeded first-order autoregressive series, all prices of a day by one factor. Each row is a process of its own, so that memory is its own.
Times are processor time of that process; the days are made before, and the loops compiled.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from dataclasses import replace
from typing import Any, Final

import numpy as np
from clearing import machine, peak_memory_mb

from gridtoll.agents.optimum.standing.parts import StandingGame
from gridtoll.agents.optimum.standing.search import StandingDays, standing_games
from gridtoll.envs.community.calendar import Scenario
from gridtoll.envs.community.day import Day
from gridtoll.envs.community.sources import COMMUNITY_NAMES, DEFAULT_COMMUNITY
from gridtoll.envs.games.spec import GameSpec
from gridtoll.train.task import environment_of

SUN: Final = 0.2
"""Standard deviation of the logarithm of sun."""
LASTING: Final = 0.8
"""Its correlation from one period to the next."""
PRICES: Final = 0.2
"""By how much more or less a day's prices are at most, as a share."""


def main() -> None:
    """Measure, and print a row for each number of scenarios."""
    parser = argparse.ArgumentParser(description="Measure one charge for many scenarios.")
    parser.add_argument("--community", default=DEFAULT_COMMUNITY, choices=COMMUNITY_NAMES)
    parser.add_argument("--scenarios", default="100,300,1000", help="how many, separated by commas (default: %(default)s)")
    parser.add_argument("--tolerance", type=float, default=1e-6, help="relative gap (default: %(default)s)")
    options = parser.parse_args()
    print(machine())
    for count in options.scenarios.split(","):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(json.dumps(pool.apply(measure, (options.community, int(count), options.tolerance))), flush=True)


def measure(community: str, count: int, tolerance: float) -> dict[str, Any]:
    """Return what so many scenarios take."""
    games = drawn(GameSpec(community=community), count)
    StandingDays(games[:1]).greatest("profit", tolerance=tolerance)
    before, began = peak_memory_mb(), time.process_time()
    found = StandingDays(games).greatest("profit", tolerance=tolerance)
    return {
        "community": community,
        "scenarios": count,
        "clearings": found.clearings,
        "clearings_each": round(found.clearings / count, 1),
        "cpu_s": round(time.process_time() - began, 1),
        "memory_mb": round(peak_memory_mb()),
        "memory_before_mb": round(before),
        "relative_gap": found.relative_gap,
        "charge": found.charge,
    }


def drawn(task: GameSpec, count: int) -> list[StandingGame]:
    """Return so many scenarios; the k-th is the same whatever their number."""
    environment = environment_of(task)
    days = environment.community.scenarios("train")
    scenarios = [Scenario(days[k % len(days)].day, k // len(days) % environment.community.n_price_paths) for k in range(count)]
    chosen = [_changed(environment.day_of(each), number) for number, each in enumerate(scenarios)]
    return standing_games(chosen, environment.community.network, environment.tariff, cap=environment.charge_cap, flows=task.flows)


def _changed(day: Day, number: int) -> Day:
    """Return a day with the sun and the prices of its number."""
    random = np.random.default_rng((7, number))
    steps = random.normal(size=day.n_periods) * np.append(1.0, np.full(day.n_periods - 1, np.sqrt(1.0 - LASTING**2)))
    sun = np.empty(day.n_periods)
    last = 0.0
    for period, step in enumerate(steps):
        last = sun[period] = LASTING * last + step
    dear = 1.0 + PRICES * random.uniform(-1.0, 1.0)
    return replace(
        day,
        renewable=day.renewable * np.exp(SUN * sun)[:, None],
        import_price=dear * day.import_price,
        export_price=dear * day.export_price,
    )


if __name__ == "__main__":
    main()
