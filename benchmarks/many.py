"""Growth with the number of prosumers: one clearing with few partners or with all, beside CVXPY and PIQP where they end in time.

    python benchmarks/many.py --sizes 9,30,100,300,1000

Communities are those of :mod:`cases`. One day of each is cleared at 0, 0.1 and 0.3 times the cap on charges by electrical distance, by all
solvers in turns; seconds are processor time, medians. CVXPY's problem is compiled once and has its parameters filled in; only `solve()` is
timed. A solver is not asked about more trades than it clears in about a minute. Memory is the most of a process that makes the community
and clears it with the kernel alone; what it had taken before it cleared is given beside it.

``--optima 300,1000`` also finds the best charge of that day, with 20 partners, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from cases import case_community
from clearing import peak_memory_mb, timed
from plain_cvxpy import PlainMarket

from gridtoll.agents.optimum import solve_optimum
from gridtoll.envs.account.tariff import make_tariff
from gridtoll.envs.market.exact.compiled import StructuredMarket

_MOST_FOR_CVXPY = 120_000  # trades of a day, all periods together
_MOST_FOR_PIQP = 700_000
_SHARES = (0.0, 0.1, 0.3)
_DAY = 180
_PARTNERS = 20


def main() -> None:
    """Measure, and print a line per row as soon as it is there."""
    parser = argparse.ArgumentParser(description="Growth of a clearing with the number of prosumers.")
    parser.add_argument("--sizes", default="9,30,100,300,1000", help="prosumers with 20 partners (default: %(default)s)")
    parser.add_argument("--all-pairs", default="9,30,100,300", help="prosumers who may all trade with all (default: %(default)s)")
    parser.add_argument("--optima", default="", metavar="SIZES", help="find the best charge for so many with 20 partners (default: none)")
    parser.add_argument("--alone", action="store_true", help="the kernel alone")
    parser.add_argument("--memory", metavar="PROSUMERS,PARTNERS", help=argparse.SUPPRESS)
    parser.add_argument("--optimum", type=int, metavar="PROSUMERS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        n, partners = options.memory.split(",")
        print(json.dumps(memory(int(n), None if partners == "all" else int(partners))))
        return
    if options.optimum:
        print(json.dumps(optimum(options.optimum)))
        return
    for partners, sizes in ((_PARTNERS, options.sizes), (None, options.all_pairs)):
        for n in [int(size) for size in sizes.split(",") if size]:
            print(json.dumps(measure(n, partners, alone=options.alone)), flush=True)
    for n in [int(size) for size in options.optima.split(",") if size]:
        print(json.dumps(_apart("--optimum", str(n))), flush=True)


def measure(n: int, partners: int | None, *, alone: bool) -> dict[str, Any]:
    """Return medians of one community's clearings in seconds of processor time."""
    community = case_community(n, partners=partners)
    day, charges = community.day(_DAY), [share * community.charge_cap * community.network.distance for share in _SHARES]
    trades = day.n_periods * int((day.trade_limit > 0).sum())
    market = StructuredMarket(threads=1)
    solvers: dict[str, Callable[[Any], tuple[float, Any]]] = {"kernel": lambda each: timed(lambda: market.clear(day, each))}
    if trades <= _MOST_FOR_CVXPY and not alone:
        plain = PlainMarket(day)
        plain.fill(day, charges[0])
        plain.solve()  # compiles

        def cvxpy(each: Any) -> tuple[float, Any]:
            plain.fill(day, each)
            return timed(plain.solve)

        solvers["cvxpy"] = cvxpy
    if trades <= _MOST_FOR_PIQP and not alone:
        from plain_piqp import PiqpMarket  # noqa: PLC0415 - optional

        direct = PiqpMarket(day)

        def piqp(each: Any) -> tuple[float, Any]:
            direct.fill(day, each)
            return timed(direct.solve)

        solvers["piqp"] = piqp
    market.clear(day, charges[0])  # the order of elimination is made
    seconds: dict[str, list[float]] = {name: [] for name in solvers}
    steps, failures = [], 0
    for _ in range(1 if alone or trades > _MOST_FOR_CVXPY else 3):
        for each in charges:
            for name, solve in solvers.items():
                taken, found = solve(each)
                seconds[name].append(taken)
                if name == "kernel":
                    steps.append(sum(found.iterations))
                failures += name == "piqp" and not found
    medians = {f"{name}_seconds": statistics.median(seconds[name]) if name in seconds else None for name in ("kernel", "cvxpy", "piqp")}
    row = {"prosumers": n, "partners": partners or "all", "trades": trades, **medians, "piqp_failures": failures}
    return row | {"steps": statistics.mean(steps), "fallbacks": market.fallbacks, **_memory_apart(n, partners)}


def memory(n: int, partners: int | None) -> dict[str, float]:
    """Return megabytes of this process before it first clears, and the most of any time."""
    community = case_community(n, partners=partners)
    day, charges = community.day(_DAY), 0.1 * community.charge_cap * community.network.distance
    before = peak_memory_mb()
    market = StructuredMarket(threads=1)
    for _ in range(2):
        market.clear(day, charges)
    return {"mb_before": before, "mb_most": peak_memory_mb()}


def optimum(n: int) -> dict[str, float]:
    """Return what the best charge of a day takes: seconds of processor time and of the clock, clearings, and megabytes of this process."""
    community = case_community(n, partners=_PARTNERS)
    tariff, market = make_tariff("distance", community.network), StructuredMarket(threads=1)
    began = time.process_time()
    found = solve_optimum(community.day(_DAY), community.network, tariff, cap=community.charge_cap, market=market)
    return {
        "prosumers": n,
        "charge": found.charge,
        "charge_cap": community.charge_cap,
        "relative_gap": found.relative_gap,
        "clearings": found.clearings,
        "optimum_seconds": time.process_time() - began,
        "wall_seconds": found.seconds,
        "fallbacks": market.fallbacks,
        "mb_most": peak_memory_mb(),
    }


def _memory_apart(n: int, partners: int | None) -> dict[str, float]:
    return _apart("--memory", f"{n},{partners or 'all'}")


def _apart(*options: str) -> dict[str, float]:
    """Return what this script prints with options, in a process of its own."""
    command = [sys.executable, __file__, *options]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603
    return found


if __name__ == "__main__":
    main()
