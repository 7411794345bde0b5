"""What things cost on this machine: a clearing on each community, an optimum, a day in the environment.

Run it with `make bench`, or `python benchmarks/run.py --communities ieee9 --json` for some communities and JSON lines. The two largest
communities are left out unless named: compiling and clearing one of their days takes minutes.

Each number is a median over days spread evenly over the training split and, for clearings, over charges from 0 to the cap; the first
clearing of a community, which compiles its program, is stated apart. Times are wall time of one process.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version

from gridtoll.agents.optimum import solve_optimum
from gridtoll.envs.clearing import P2PMarket
from gridtoll.envs.community import Community
from gridtoll.envs.day_ahead import DayAheadEnv
from gridtoll.envs.sources import COMMUNITY_NAMES, DEFAULT_COMMUNITY, load_community
from gridtoll.envs.tariff import make_tariff

LARGEST = ("ieee57", "ieee118")
CHARGES = (0.0, 0.1, 0.3, 1.0)
"""Shares of the cap at which days are cleared."""

Row = Mapping[str, str | float]


def main() -> None:
    """Measure, and print a line per measurement as soon as it is there."""
    parser = argparse.ArgumentParser(description="Measure clearings, optima and the environment.")
    usual = [name for name in COMMUNITY_NAMES if name not in LARGEST]
    parser.add_argument("--communities", nargs="+", default=usual, choices=COMMUNITY_NAMES, help="default: all but the two largest")
    parser.add_argument("--days", type=int, default=4, help="days of each community (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    options = parser.parse_args()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("gridtoll", "numpy", "cvxpy", "clarabel"))
    if not options.json:
        print(f"Python {platform.python_version()} on {platform.machine()}; {libraries}")
    for row in rows(options.communities, options.days):
        print(json.dumps(row) if options.json else as_text(row), flush=True)


def rows(names: list[str], n_days: int) -> Iterator[Row]:
    """Yield one row per measurement; a community's own come together."""
    for name in names:
        started = time.perf_counter()
        community = load_community(name)
        loading = time.perf_counter() - started
        market = P2PMarket()
        yield {"what": "clearing", "community": name, "load_s": loading, **clearings(community, market, n_days)}
        if name == DEFAULT_COMMUNITY:
            yield {"what": "optimum", "community": name, **optima(community, market, n_days)}
            yield {"what": "environment", "community": name, **days_played(community, market, n_days)}


def clearings(community: Community, market: P2PMarket, n_days: int) -> dict[str, float]:
    """Clear days at charges from 0 to the cap."""
    tariff = make_tariff("distance", community.network)
    seconds: list[float] = []
    worst = 0.0
    for day_index, price_path in community.scenarios("train", n_days):
        day = community.day(day_index, price_path=price_path)
        for share in CHARGES:
            coefficients = tariff.read([share * community.charge_cap], day.n_periods, community.charge_cap)
            started = time.perf_counter()
            clearing = market.clear(day, tariff.charges(coefficients))
            seconds.append(time.perf_counter() - started)
            worst = max(worst, clearing.certificate.worst)
    first_s = seconds.pop(0)
    return {
        "prosumers": community.n_prosumers,
        "first_s": first_s,
        "median_s": statistics.median(seconds),
        "slowest_s": max(seconds),
        "clearings": len(seconds) + 1,
        "worst_residual": worst,
    }


def optima(community: Community, market: P2PMarket, n_days: int) -> dict[str, float]:
    """Find the exact optimum of days."""
    tariff = make_tariff("distance", community.network)
    found = [
        solve_optimum(community.day(day, price_path=path), community.network, tariff, cap=community.charge_cap, market=market)
        for day, path in community.scenarios("train", n_days)
    ]
    return {
        "median_s": statistics.median(optimum.seconds for optimum in found),
        "median_clearings": statistics.median(optimum.clearings for optimum in found),
        "greatest_gap": max(optimum.relative_gap for optimum in found),
        "days": len(found),
    }


def days_played(community: Community, market: P2PMarket, n_days: int) -> dict[str, float]:
    """Play days with random charges: observation, clearing, settlement."""
    env = DayAheadEnv(community, market=market)
    env.action_space.seed(0)
    env.reset(seed=0)
    seconds = []
    for _ in range(5 * n_days):
        started = time.perf_counter()
        env.reset()
        env.step(env.action_space.sample())
        seconds.append(time.perf_counter() - started)
    env.close()
    return {"median_s": statistics.median(seconds), "days_per_s": len(seconds) / sum(seconds), "days": len(seconds)}


def as_text(row: Row) -> str:
    """Return one measurement as a line for reading."""
    values = "  ".join(f"{name} {value:.4g}" for name, value in row.items() if not isinstance(value, str))
    return f"{row['what']:<12} {row['community']:<15} {values}"


if __name__ == "__main__":
    main()
