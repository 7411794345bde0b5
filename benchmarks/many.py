"""Growth with the number of prosumers: one clearing with few partners or with all, beside CVXPY and PIQP where they end in time.

    python benchmarks/many.py --sizes 9,30,100,300,1000

Communities are those of :mod:`cases`. One day of each is cleared at 0, 0.1 and 0.3 times the cap on charges by electrical distance, by all
solvers in turns; seconds are processor time, medians. CVXPY's problem is compiled once and has its parameters filled in; only `solve()` is
timed. A solver is not asked about more trades than it clears in about a minute. Memory is the most of a process that makes the community
and clears it with the kernel alone; what it had taken before it cleared is given beside it.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from cases import case_community
from clearing import timed
from plain_cvxpy import PlainMarket

from gridtoll.envs.market.exact.compiled import StructuredMarket

_MOST_FOR_CVXPY = 120_000  # trades of a day, all periods together
_MOST_FOR_PIQP = 700_000
_SHARES = (0.0, 0.1, 0.3)
_DAY = 180


def main() -> None:
    """Measure, and print a line per row as soon as it is there."""
    parser = argparse.ArgumentParser(description="Growth of a clearing with the number of prosumers.")
    parser.add_argument("--sizes", default="9,30,100,300,1000", help="prosumers with 20 partners (default: %(default)s)")
    parser.add_argument("--all-pairs", default="9,30,100,300", help="prosumers who may all trade with all (default: %(default)s)")
    parser.add_argument("--alone", action="store_true", help="the kernel alone")
    parser.add_argument("--memory", metavar="PROSUMERS,PARTNERS", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        n, partners = options.memory.split(",")
        print(json.dumps(memory(int(n), None if partners == "all" else int(partners))))
        return
    for partners, sizes in ((20, options.sizes), (None, options.all_pairs)):
        for n in [int(size) for size in sizes.split(",") if size]:
            print(json.dumps(measure(n, partners, alone=options.alone)), flush=True)


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
    before = _peak()
    market = StructuredMarket(threads=1)
    for _ in range(2):
        market.clear(day, charges)
    return {"mb_before": before, "mb_most": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _memory_apart(n: int, partners: int | None) -> dict[str, float]:
    command = [sys.executable, __file__, "--memory", f"{n},{partners or 'all'}"]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603
    return found


if __name__ == "__main__":
    main()
