"""What a clearing would take if all it must do ran at the best rate this machine shows for such work.

The work is that of the kernel's method with the steps it took, counted low:

* **handing over**: a call with charges that are refused, which reads the charges, makes the arrays of the answer and nothing else, and
  what Python does around it;
* **arithmetic**: the multiply-adds of one factorisation for each step of the interior point and of polishing, at the rate of a product of
  512 × 512 matrices in NumPy's BLAS on one core;
* **traffic**: going over the trades that turn out positive, three times a step, reading five numbers each and writing two, at the rate of a
  loop that does just that. Less than three times will not do: weights come before the first solution, the predictor's length before the
  second, the corrector's length before the move.

Nothing is counted for solving, for what belongs to prosumers and not to trades, for indices, for adding trades to their two balances, for
divisions and square roots that wait for one another, for starting and for the certificate.
"""

# ruff: noqa: SLF001 - the kernel's parts are its own affair, and this looks inside

from __future__ import annotations

import functools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from cases import make_case, read_case
from numba import njit

from gridtoll.envs.community.day import Array
from gridtoll.envs.market.exact.compiled import StructuredMarket, kernel
from gridtoll.envs.market.exact.compiled import market as structured_market
from gridtoll.envs.market.exact.compiled.program import program_of
from gridtoll.envs.market.exact.solution import TOLERANCE

_PASSES = 3
_SIDE = 512


def bounds(name: str, n_days: int, seed: int) -> dict[str, float]:
    """Return the mean milliseconds over days and charges of each kind of work in one clearing of a case.

    Args:
        name: The case, see :mod:`cases`.
        n_days: Days of it.
        seed: Of the draw of prosumers.
    """
    case, market = make_case(*read_case(name), n_days, seed), StructuredMarket(threads=1)
    found = []
    for day in case.days:
        program = program_of(day)
        refused = np.full((1, day.n_prosumers, day.n_prosumers), -1.0)
        for charges in case.charges:
            clearing = market.clear(day, charges)
            answer = kernel.clear_cold(program, np.ascontiguousarray(charges[None]), TOLERANCE)
            making = _seconds(lambda program=program, refused=refused: kernel.clear_cold(program, refused, TOLERANCE))
            wrapping = _seconds(lambda d=day, c=charges, p=program, a=answer: structured_market._clearing(d, c, p, 0.0, a))
            steps, polishing = clearing.iterations
            found.append(
                (
                    making + wrapping,
                    (steps + polishing) * multiply_adds(program.sizes) / _best_rate(),
                    _PASSES * steps * _pass_seconds(int((clearing.trade > 0).sum())),
                )
            )
    handing, arithmetic, traffic = (1e3 * statistics.mean(column) for column in zip(*found, strict=True))
    return {"handing_over": handing, "arithmetic": arithmetic, "traffic": traffic, "least": handing + arithmetic + traffic}


def multiply_adds(sizes: tuple[int, int, int, int]) -> float:
    """Return how many multiply-adds one factorisation takes, leading terms only, for a market of sizes (T, N, J, K)."""
    n_hours, n, j, _ = sizes
    hour = n**3 / 6 + n**2 * j / 2 + n * j**2 / 2
    chain = 3 * (j**3 / 6)  # the link to the hour before, what it subtracts, and the factor
    return n_hours * (hour + chain)


@functools.cache
def _best_rate() -> float:
    """Return the multiply-adds a second of a matrix product in a process whose BLAS keeps to one core."""
    program = f"""
import time
import numpy as np
a, out, taken = np.random.default_rng(0).uniform(size=({_SIDE}, {_SIDE})), np.empty(({_SIDE}, {_SIDE})), []
for _ in range(400):
    began = time.process_time()
    np.matmul(a, a, out=out)
    taken.append(time.process_time() - began)
print(min(taken))
"""
    one_core = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, env=os.environ | one_core)  # noqa: S603 - above
    return _SIDE**3 / float(answer.stdout)


@functools.cache
def _pass_seconds(n_trades: int) -> float:
    numbers, times = np.random.default_rng(0).uniform(size=(5, n_trades)), 20
    return (_seconds(lambda: _passes(numbers, times)) - _seconds(lambda: _passes(numbers, 0))) / times


@njit(fastmath=True, error_model="numpy")
def _passes(numbers: Array, times: int) -> None:
    flow, multiplier, charge, weight, rise = numbers
    for _ in range(times):
        for e in range(len(flow)):
            move = charge[e] - weight[e] * rise[e]
            flow[e] += 1e-9 * move
            multiplier[e] -= 1e-9 * move


def _seconds(call: Callable[[], Any]) -> float:
    """Return the least processor time of a call, of several rounds of as many calls as a clock can tell apart."""
    call()
    began = time.process_time()
    call()
    times = max(1, int(1e-3 / max(time.process_time() - began, 1e-6)))
    rounds = []
    for _ in range(7):
        began = time.process_time()
        for _ in range(times):
            call()
        rounds.append((time.process_time() - began) / times)
    return min(rounds)
