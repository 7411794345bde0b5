"""What a step of the interior point spends where, and how much of that is vector instructions already.

    python benchmarks/steps.py --cases 9x24,13x24,20x24

Each part is repeated within compiled code on the state after five steps, which takes half a minute to compile. Repeated at once, a part
finds its numbers in the nearest cache. Times are wall time, the quickest of some turns: a turn takes microseconds, which nobody interrupts.
"""

# mypy: disable-error-code="no-untyped-def,misc"

from __future__ import annotations

import argparse
import json
import time
from typing import Any, Final

import numpy as np
from cases import make_case, read_case
from clearing import machine
from numba import njit

from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.market.exact.compiled import boxes as boxed
from gridtoll.envs.market.exact.compiled import edges as traded
from gridtoll.envs.market.exact.compiled import interior_point, market_sums
from gridtoll.envs.market.exact.compiled.exact import NO_PAIRS
from gridtoll.envs.market.exact.compiled.program import program_of

_factorise, _solve = interior_point._factorise, interior_point._solve  # noqa: SLF001 - what is measured
_LANES: Final = 8
_TIMES: Final = 40
_TURNS: Final = 5
_STEPS: Final = 5
_PARTS: Final = {
    "sweeps over edges": (range(5), 1, True),
    "sweeps over boxes": (range(5, 10), 1, True),
    "prices of edges": ((10,), 3, False),
    "flows of edges": ((11,), 2, False),
    "prices of boxes": ((12,), 3, False),
    "flows of boxes": ((13,), 2, False),
    "factorisation": ((14,), 1, False),
    "solution": ((15,), 2, False),
}
"""Parts of a step: numbers in :func:`_repeat`, how many times a step calls them, and whether they are vector instructions throughout."""


@njit(nogil=True)
def _repeat(which, program, state, room, times):  # noqa: C901, PLR0912
    w, price, net, storage, d_mu, d_sigma = room
    edges, boxes, found = state.edges, state.boxes, 0.0
    for _ in range(times):
        if which == 0:
            found += traded.weigh_edges(edges)
        elif which == 1:
            found += traded.predict_edges(edges)[0]
        elif which == 2:
            traded.aim_edges(edges, 1e-6)
        elif which == 3:
            found += traded.correct_edges(edges)
        elif which == 4:
            traded.advance_edges(edges, 1e-9)
        elif which == 5:
            found += boxed.weigh_boxes(boxes)
        elif which == 6:
            found += boxed.predict_boxes(boxes)[0]
        elif which == 7:
            boxed.aim_boxes(boxes, 1e-6)
        elif which == 8:
            found += boxed.correct_boxes(boxes)
        elif which == 9:
            boxed.advance_boxes(boxes, 1e-9)
        elif which == 10:
            traded.gather_rise(edges, state.mu.ravel())
        elif which == 11:
            traded.scatter_edges(edges, net.ravel())
        elif which == 12:
            market_sums.price_of(program, state.pairs, state.mu, state.sigma, price)
        elif which == 13:
            market_sums.gather(program, state.pairs, w, net, storage)
        elif which == 14:
            found += _factorise(program, state.pairs, edges, w, state.factors)
        else:
            _solve(program, state.factors, net, storage, d_mu, d_sigma)
    return found


def main() -> None:
    """Measure, and print a line per case."""
    parser = argparse.ArgumentParser(description="Measure the parts of a step of the interior point.")
    parser.add_argument("--cases", default="9x24,13x24,20x24", help="PROSUMERSxHOURS (default: %(default)s)")
    parser.add_argument("--days", type=int, default=6, help="days, each at four charges (default: %(default)s)")
    options = parser.parse_args()
    print(machine())
    for case in options.cases.split(","):
        print(json.dumps({"case": case, **measure(case, options.days)}), flush=True)


def measure(case: str, n_days: int) -> dict[str, float]:
    """Return microseconds of a step's parts, of the whole, and that over what is vectorised; edges of a day, and of eight together."""
    made = make_case(*read_case(case), n_days)
    walked = [_walked(day, charges) for day in made.days for charges in made.charges]
    found = [_parts(*each) for each in walked]
    row = {name: float(np.mean([each[name] for each in found])) for name in found[0]}
    edges = [set(zip(state.edges.seller.tolist(), state.edges.buyer.tolist(), strict=True)) for _, state in walked]
    order = np.random.default_rng(0).permutation(len(edges))
    together = [len(set.union(*(edges[k] for k in order[at : at + _LANES]))) for at in range(0, len(order), _LANES)]
    row |= {"edges": float(np.mean(list(map(len, edges)))), "edges_of_eight": float(np.mean(together))}
    step = sum(row[name] for name in _PARTS)
    vectors = sum(row[name] for name, (_, _, done) in _PARTS.items() if done)
    return row | {"step": step, "limit_without_what_is_not_vectorised": step / vectors}


def _walked(day: Day, charges: Array) -> tuple[Any, Any]:
    program = program_of(day)
    charge, _ = market_sums.of_pairs(program, np.ascontiguousarray(charges[None]))
    state = interior_point.start(program, charge, NO_PAIRS, False)
    interior_point.advance(program, state, 1e-6, _STEPS)
    return program, state


def _parts(program: Any, state: Any) -> dict[str, float]:
    n_hours, n, n_owners, _ = program.sizes
    w = state.boxes.w.reshape((n_hours, -1))
    room = (w, np.empty(w.shape), *(np.zeros((n_hours, size)) for size in (n + 1, n_owners, n + 1, n_owners)))
    return {name: calls * sum(_microseconds(which, program, state, room) for which in parts) for name, (parts, calls, _) in _PARTS.items()}


def _microseconds(which: int, program: Any, state: Any, room: Any) -> float:
    taken = []
    for _ in range(_TURNS):
        began = time.perf_counter()
        _repeat(which, program, state, room, _TIMES)
        taken.append(time.perf_counter() - began)
    return 1e6 * min(taken) / _TIMES


if __name__ == "__main__":
    main()
