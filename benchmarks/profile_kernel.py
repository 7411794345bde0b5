"""Where the compiled kernel's time goes: its parts called one by one from outside, on the state the interior point ends in.

Each part is compiled by itself for that, which takes a minute or two. Factorising and solving are repeated within compiled code, as a call
from Python costs up to 20 µs that the kernel does not pay; other parts are called once, so that the smallest cases show more than they
take. Repeated at once, a part finds its numbers in the nearest cache, more than in the kernel. What a step of the interior point does
beside factorising and solving (weights, products, step lengths, moves) is the difference between the whole and those two.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from cases import Case
from numba import njit

from gridtoll.envs.community.day import Array, Day
from gridtoll.envs.market.exact.compiled import StructuredMarket, exact, interior_point, kernel, market_sums
from gridtoll.envs.market.exact.compiled.interior_point import _factorise, _solve
from gridtoll.envs.market.exact.compiled.program import program_of
from gridtoll.envs.market.exact.solution import TOLERANCE

_REPETITIONS = 5
_OFTEN = 20
_TOLERANCE, _MAX_STEPS = 1e-6, 80  # the kernel's own of its first attempt
_POLISHING_STEPS, _PATIENCE = 30, 5


def profile(case: Case) -> dict[str, float]:
    """Return the mean over days and charges of each part's milliseconds in one clearing."""
    found = [_parts(day, charges) for day in case.days for charges in case.charges]
    return {name: statistics.mean(parts[name] for parts in found) for name in found[0]}


def _parts(day: Day, charges: Array) -> dict[str, float]:
    market, program, whole = StructuredMarket(threads=1), program_of(day), np.ascontiguousarray(charges[None])
    total = _milliseconds(lambda: market.clear(day, charges))
    compiled = _milliseconds(lambda: kernel.clear_cold(program, whole, TOLERANCE))
    charge, _ = market_sums.of_pairs(program, whole)

    def begin() -> Any:
        return interior_point.start(program, charge, exact.NO_PAIRS, False)

    state, steps = begin(), 0

    def walk() -> None:
        nonlocal state, steps
        state = begin()
        steps = abs(interior_point.advance(program, state, _TOLERANCE, _MAX_STEPS))

    starting = _milliseconds(begin)
    walking = _milliseconds(walk) - starting
    n_hours = program.sizes[0]
    w = state.boxes.w.reshape((n_hours, -1))
    factorising = steps * _each(lambda times: _factorise_often(program, state, w, times))
    sides = state.mu.copy(), state.sigma.copy(), state.mu.copy(), state.sigma.copy()
    solving = 2 * steps * _each(lambda times: _solve_often(program, state.factors, sides, times))
    polishing, certifying = _last_digits(program, charge, state)
    parts = {
        "start": starting,
        "factorisation": factorising,
        "solves": solving,
        "sweeps": walking - factorising - solving,
        "polishing": polishing,
        "certificate": certifying,
    }
    # Attempts beyond the first one (caps that were exceeded, cycles of polishing) and arrays in kW; below 0 where calls weigh more.
    return parts | {"further_attempts_and_units": compiled - sum(parts.values()), "python": total - compiled, "total": total}


def _last_digits(program: Any, charge: Array, state: Any) -> tuple[float, float]:
    """Return the milliseconds of polishing from where the interior point stands, and of the certificate."""
    n_hours, n, n_owners, _ = program.sizes
    width = 2 * n + 3 * n_owners
    own, trade = np.empty(program.cost.shape), np.empty((n_hours, program.sizes[3]))
    mu, sigma = np.empty((n_hours, n)), np.empty((n_hours, n_owners))

    def polish() -> None:
        own[:, :width] = state.boxes.v.reshape((n_hours, -1))[:, :width]
        mu[:], sigma[:] = state.mu[:, :n], state.sigma
        exact.polish(program, charge, _POLISHING_STEPS, _PATIENCE, own, trade, mu, sigma)

    return _milliseconds(polish), _milliseconds(lambda: exact.certify(program, charge, own, trade, mu, sigma))


@njit
def _factorise_often(program: Any, state: Any, w: Array, times: int) -> None:
    for _ in range(times):
        _factorise(program, state.pairs, state.edges, w, state.factors)


@njit
def _solve_often(program: Any, factors: Any, sides: Any, times: int) -> None:
    net, storage, d_mu, d_sigma = sides
    for _ in range(times):
        _solve(program, factors, net, storage, d_mu, d_sigma)


def _each(repeat: Callable[[int], object]) -> float:
    """Return the milliseconds that one of many repetitions takes."""
    return (_milliseconds(lambda: repeat(_OFTEN)) - _milliseconds(lambda: repeat(0))) / _OFTEN


def _milliseconds(call: Callable[[], object]) -> float:
    """Return the median of some calls after a first one."""
    call()
    taken = []
    for _ in range(_REPETITIONS):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return 1e3 * statistics.median(taken)
