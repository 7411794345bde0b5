"""What each phase of a batch's clearings takes, and what clearing days in lockstep could save at most.

    python benchmarks/phases.py --cases 9x24,13x24,20x24

`clear_many` on one thread takes turns with its two phases, called for the same days: the interior point, and polishing with certificates.
Times are processor time, medians over turns. The limits say how many times as fast a batch would be if one phase, or both, took no time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
from cases import make_case, read_case
from clearing import machine

from gridtoll.envs.market.exact.compiled import StructuredMarket
from gridtoll.envs.market.exact.compiled.exact import NO_PAIRS
from gridtoll.envs.market.exact.compiled.kernel import approach, finish
from gridtoll.envs.market.exact.compiled.program import program_of

_LANES = 8
"""Doubles in the widest vector of today's processors."""
_POLISHING_STEPS = 30  # the kernel's own


def main() -> None:
    """Measure, and print a line per case."""
    parser = argparse.ArgumentParser(description="Measure the phases of a batch's clearings.")
    parser.add_argument("--cases", default="9x24,13x24,20x24", help="PROSUMERSxHOURS (default: %(default)s)")
    parser.add_argument("--days", type=int, default=24, help="days, each at four charges (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=7, help="default: %(default)s")
    options = parser.parse_args()
    print(machine())
    for case in options.cases.split(","):
        print(json.dumps({"case": case, **measure(case, options.days, options.turns)}), flush=True)


def measure(case: str, n_days: int, n_turns: int) -> dict[str, float]:
    """Return microseconds a clearing of the batch and its phases, the limits, and the steps of the interior point."""
    made, market = make_case(*read_case(case), n_days), StructuredMarket(threads=1)
    days = [day for day in made.days for _ in made.charges]
    charges = [each for _ in made.days for each in made.charges]
    market.clear_many(days, charges)  # prepares the days, and compiles if need be
    asked = [(program_of(day), np.ascontiguousarray(each[None])) for day, each in zip(days, charges, strict=True)]
    taken: dict[str, list[float]] = {"clear_many": [], "interior_point": [], "polishing": []}
    steps: list[int] = []
    for _ in range(n_turns):
        taken["clear_many"].append(_seconds(lambda: market.clear_many(days, charges)))
        points = []
        taken["interior_point"].append(_seconds(lambda: points.extend(approach(*each, NO_PAIRS, False, 0) for each in asked)))  # noqa: B023
        steps = [point[0] for point in points]
        places = [point[4:] for point in points]
        taken["polishing"].append(_seconds(lambda: [finish(*each, *at, _POLISHING_STEPS) for each, at in zip(asked, places, strict=True)]))  # noqa: B023
    row = {name: 1e6 * statistics.median(seconds) / len(days) for name, seconds in taken.items()}
    whole, first, second = row.values()
    return row | {
        "limit_without_interior_point": whole / (whole - first),
        "limit_without_both": whole / (whole - first - second),
        "steps": statistics.mean(steps),
        "steps_of_the_slowest_of_8": statistics.mean(max(steps[at : at + _LANES]) for at in range(0, len(steps), _LANES)),
    }


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    main()
