"""The exact optimum against a grid: is it ever beaten, how tightly is it proved, and what does it cost?

    python benchmarks/optima.py --community simbench-rural --days 40 --grid 2000 --json

For each scenario of a split the optimum is found by search, then every point of an even grid over [0, cap] and as many random points are
cleared by the same clearing. Prints one row per scenario and a summary; times are wall time of one process, search and grid in one run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator

import numpy as np

from gridtoll.agents.optimum import solve_optimum
from gridtoll.envs.account.settlement import settle
from gridtoll.envs.account.tariff import Tariff, make_tariff
from gridtoll.envs.community.calendar import SPLIT_NAMES, Scenario
from gridtoll.envs.community.community import Community
from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.community.sources import COMMUNITY_NAMES, DEFAULT_COMMUNITY, load_community
from gridtoll.envs.grid.network import Network
from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.mechanism import ExactResponse

Row = dict[str, float]


def main() -> None:
    """Measure, and print a line per scenario as soon as it is there."""
    parser = argparse.ArgumentParser(description="Compare the exact optimum with a grid of charges.")
    parser.add_argument("--community", default=DEFAULT_COMMUNITY, choices=COMMUNITY_NAMES)
    parser.add_argument("--tariff", default="distance", choices=("unique", "distance"))
    parser.add_argument("--split", default="train", choices=(*SPLIT_NAMES, "all"))
    parser.add_argument("--days", type=int, default=10, help="scenarios, spread evenly over the split, or the year (default: %(default)s)")
    parser.add_argument("--grid", type=int, default=2000, help="points of the grid, 0 for none (default: %(default)s)")
    parser.add_argument("--random", type=int, default=0, help="random points beside the grid (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    options = parser.parse_args()
    found = []
    for row in rows(options):
        found.append(row)
        print(json.dumps(row) if options.json else "  ".join(f"{name} {value:.6g}" for name, value in row.items()), flush=True)
    print(json.dumps({"summary": summary(found)}) if options.json else f"summary: {summary(found)}")


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield one row per scenario."""
    community, market = load_community(options.community), StructuredMarket()
    network, cap = community.network, community.charge_cap
    tariff = make_tariff(options.tariff, network)
    rng = np.random.default_rng(0)
    market.clear(community.day(0), tariff.basis[0])  # compiles
    for scenario in scenarios(community, options.split, options.days):
        day = community.day(scenario.day, price_path=scenario.price_path)
        optimum = solve_optimum(day, network, tariff, cap=cap, market=market)
        began = time.perf_counter()
        best = greatest_profit(market, day, network, tariff, np.linspace(0.0, cap, options.grid))
        grid_seconds = time.perf_counter() - began
        best = max(best, greatest_profit(market, day, network, tariff, rng.uniform(0.0, cap, options.random)))
        yield {
            "day": scenario.day,
            "price_path": scenario.price_path,
            "charge": optimum.charge,
            "profit_eur": optimum.profit_eur,
            "upper_bound_eur": optimum.upper_bound_eur,
            "relative_gap": optimum.relative_gap,
            "reclearing_difference": abs(optimum.recleared_profit_eur - optimum.profit_eur) / max(optimum.revenue_eur, 1e-6),
            "best_point_less_optimum_eur": best - optimum.profit_eur,
            "best_point_less_bound_eur": best - optimum.upper_bound_eur,
            "clearings": optimum.clearings,
            "seconds": optimum.seconds,
            "grid_seconds": grid_seconds,
            "fallbacks": market.fallbacks,
        }


def scenarios(community: Community, split: str, n_days: int) -> list[Scenario]:
    """Return scenarios spread evenly over a split, or over the whole year, price paths taking turns."""
    if split != "all":
        return community.scenarios(split, n_days)
    days = np.unique(np.linspace(0, community.n_days - 1, n_days).round().astype(int))
    return [Scenario(int(day), place % community.n_price_paths) for place, day in enumerate(days)]


def greatest_profit(market: ExactResponse, day: Day, network: Network, tariff: Tariff, charges: Array) -> float:
    """Return the greatest profit at any of the charges, minus infinity for none."""
    best = float("-inf")
    for charge in charges:
        posted = charge * tariff.basis[0]
        best = max(best, settle(day, network, posted, market.clear(day, posted)).profit_eur)
    return best


def summary(found: list[Row]) -> Row:
    """Return what the rows say together."""
    return {
        "days": len(found),
        "greatest_gap": max(row["relative_gap"] for row in found),
        "greatest_reclearing_difference": max(row["reclearing_difference"] for row in found),
        "best_point_less_optimum_eur": max(row["best_point_less_optimum_eur"] for row in found),
        "best_point_less_bound_eur": max(row["best_point_less_bound_eur"] for row in found),
        "median_clearings": statistics.median(row["clearings"] for row in found),
        "most_clearings": max(row["clearings"] for row in found),
        "median_seconds": statistics.median(row["seconds"] for row in found),
        "grid_over_search_seconds": sum(row["grid_seconds"] for row in found) / sum(row["seconds"] for row in found),
        "fallbacks": found[-1]["fallbacks"],
    }


if __name__ == "__main__":
    main()
