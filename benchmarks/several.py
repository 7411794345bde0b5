"""Brackets for tariffs of several coefficients: how wide they are, which proof bounds them, and what they cost.

    python benchmarks/several.py --cases 3x24,9x24 --json
    python benchmarks/several.py --cases 3x24-zonal,9x24-zonal,13x24-zonal,13x24-line --json

A case is PROSUMERSxHOURS, charged by hour at electrical distance, or with -zonal or -line charged by the day under that tariff. Its
community is part of `simbench-rural`: a third of its prosumers own a battery, the others a solar roof as far as there are any. Times
are wall time of one process.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gridtoll.agents.optimum.many_charges.several import solve_several
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.community.day import Day
from gridtoll.envs.community.sources import load_community
from gridtoll.envs.grid.network import Network, make_network
from gridtoll.envs.market.exact.compiled import StructuredMarket

Row = dict[str, float | str]

_T_BY_N = ("demand_min", "demand_max", "utility_curvature", "utility_slope", "renewable")
_BY_T = ("import_price", "export_price", "loss_price", "base_injection")
_BY_N = (
    "import_limit",
    "export_limit",
    "grid_friction",
    "storage_power",
    "storage_capacity",
    "storage_efficiency",
    "storage_wear",
    "storage_start",
)


def main() -> None:
    """Measure, and print a line per case and day as soon as it is there."""
    parser = argparse.ArgumentParser(description="Bracket the best charges of tariffs of several coefficients.")
    parser.add_argument("--cases", default="3x24,9x24", help="separated by commas (default: %(default)s)")
    parser.add_argument("--days", default="180", help="days of the year, separated by commas (default: %(default)s)")
    parser.add_argument("--clearings", type=int, default=6000, help="clearings of the search (default: %(default)s)")
    parser.add_argument("--nodes", type=int, default=1000, help="effort on bounds beyond K0 (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=6, help="starts (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    options = parser.parse_args()
    for row in rows(options):
        print(json.dumps(row) if options.json else "  ".join(f"{name} {value}" for name, value in row.items()), flush=True)


def rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield one row per case and day."""
    market, cap = StructuredMarket(), load_community("simbench-rural").charge_cap
    for case in options.cases.split(","):
        size, _, kind = case.partition("-")
        n, periods = (int(part) for part in size.split("x"))
        for number in options.days.split(","):
            day, network = part_of_simbench(n, periods, int(number))
            tariff = make_tariff(kind or "distance", network, per="day" if kind else "hour")
            market.clear(day, network.distance)  # compiles
            bracket = solve_several(
                day,
                network,
                tariff,
                cap=cap,
                market=market,
                n_starts=options.starts,
                seed=options.seed,
                max_clearings=options.clearings,
                max_nodes=options.nodes,
            )
            yield {
                "case": case,
                "day": int(number),
                "coefficients": len(bracket.action),
                "stores": int(day.has_storage.sum()),
                "best_eur": bracket.best_eur,
                "bound_eur": bracket.upper_bound_eur,
                "relative_width": bracket.relative_width,
                "proof": bracket.proof,
                **{f"{bound.proof} relative width": bound.bound_eur / bracket.best_eur - 1.0 for bound in bracket.bounds},
                **{f"{bound.proof} seconds": bound.seconds for bound in bracket.bounds},
                "worst_start_eur": min(bracket.reached_eur),
                "median_start_eur": float(np.median(bracket.reached_eur)),
                "clearings": bracket.clearings,
                "seconds": bracket.seconds,
            }


def part_of_simbench(n: int, periods: int, number: int) -> tuple[Day, Network]:
    """Return the first hours of a day of `simbench-rural` for part of its prosumers, a third of them with a battery.

    Args:
        n: Prosumers, 2 to 13.
        periods: Hours, around noon where fewer than 24.
        number: Day of the year.
    """
    community = load_community("simbench-rural")
    whole, network = community.day(number), community.network
    owners = np.flatnonzero(whole.has_storage)
    others = np.flatnonzero(~whole.has_storage)
    stores = max(1, n // 3, n - len(others))
    chosen = np.sort(np.concatenate([owners[:stores], others[: n - stores]]))
    first = (whole.n_periods - periods) // 2
    hours = slice(first, first + periods)
    changes = {name: getattr(whole, name)[hours][:, chosen] for name in _T_BY_N}
    changes |= {name: getattr(whole, name)[hours] for name in _BY_T}
    changes |= {name: getattr(whole, name)[chosen] for name in _BY_N}
    changes |= {name: getattr(whole, name)[np.ix_(chosen, chosen)] for name in ("trade_limit", "trade_friction")}
    return replace(whole, **changes), make_network(network.grid, network.prosumer_bus[chosen])


if __name__ == "__main__":
    main()
