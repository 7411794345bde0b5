"""What things cost on this machine: clearings beside CVXPY's, a clearing on each community, an optimum.

Run it with `make bench`, or `python benchmarks/run.py --communities ieee9 --json` for some communities and JSON lines. Clearings beside
CVXPY's are those of :mod:`clearing`, which measures more on request; days in environments are measured by `benchmarks/environment.py`,
optima against grids by `benchmarks/optima.py`.

Each number is a median over days spread evenly over the training split and, for clearings, over charges from 0 to the cap. Clearings are
measured in processor time, optima in wall time of one process.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import clearing

from gridtoll.agents.optimum import solve_optimum
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.community import Community
from gridtoll.envs.community.sources import COMMUNITY_NAMES, DEFAULT_COMMUNITY, load_community
from gridtoll.envs.market.exact.compiled import StructuredMarket

CHARGES = (0.0, 0.1, 0.3, 1.0)
"""Shares of the cap at which days are cleared."""

Row = Mapping[str, Any]


def main() -> None:
    """Measure, and print a line per measurement as soon as it is there."""
    parser = argparse.ArgumentParser(description="Measure clearings and optima.")
    parser.add_argument("--cases", default="9x1,9x24,20x24", help="clearings beside CVXPY's, none if empty (default: %(default)s)")
    parser.add_argument("--communities", nargs="*", default=COMMUNITY_NAMES, choices=COMMUNITY_NAMES, help="default: all")
    parser.add_argument("--days", type=int, default=4, help="days of each community (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    options = parser.parse_args()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("gridtoll", "numpy", "numba", "cvxpy", "clarabel"))
    if not options.json:
        print(f"Python {platform.python_version()} on {platform.machine()}; {libraries}")
    for row in rows(options.cases, options.communities, options.days):
        print(json.dumps(row) if options.json else as_text(row), flush=True)


def rows(cases: str, names: list[str], n_days: int) -> Iterator[Row]:
    """Yield one row per measurement; a community's own come together."""
    for case in cases.split(",") if cases else ():
        yield {"what": "against CVXPY", **clearing.measure(case)}
    market = StructuredMarket(threads=1)
    for name in names:
        started = time.perf_counter()
        community = load_community(name)
        loading = time.perf_counter() - started
        yield {"what": "clearing", "community": name, "load_s": loading, **clearings(community, market, n_days)}
        if name == DEFAULT_COMMUNITY:
            yield {"what": "optimum", "community": name, **optima(community, market, n_days)}


def clearings(community: Community, market: StructuredMarket, n_days: int) -> dict[str, float]:
    """Clear days at charges from 0 to the cap."""
    tariff = make_tariff("distance", community.network)
    seconds: list[float] = []
    worst, fallbacks = 0.0, 0
    for day_index, price_path in community.scenarios("train", n_days):
        day = community.day(day_index, price_path=price_path)
        for share in CHARGES:
            coefficients = tariff.read([share * community.charge_cap], day.n_periods, community.charge_cap)
            charges = tariff.charges(coefficients)
            market.clear(day, charges)  # prepares the day, and compiles if need be
            taken, found = clearing.timed(lambda day=day, charges=charges: market.clear(day, charges))
            seconds.append(taken)
            worst, fallbacks = max(worst, found.certificate.worst), fallbacks + found.fallback
    return {
        "prosumers": community.n_prosumers,
        "median_s": statistics.median(seconds),
        "slowest_s": max(seconds),
        "clearings": len(seconds),
        "fallbacks": fallbacks,
        "worst_residual": worst,
    }


def optima(community: Community, market: StructuredMarket, n_days: int) -> dict[str, float]:
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


def as_text(row: Row) -> str:
    """Return one measurement as a line for reading."""
    values = "  ".join(f"{name} {value:.4g}" for name, value in row.items() if isinstance(value, int | float))
    return f"{row['what']:<14} {row.get('community') or row.get('case'):<15} {values}"


if __name__ == "__main__":
    main()
