"""Which variables of a response are free, and how prices and variables then move with the charge, in compiled loops."""

# Compiled functions take their arrays by position, and numba infers their types.
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numba import njit

from .....envs.machine_code import LOOPS, kept, stamp_of
from .account import slopes_at
from .factor import solved
from .kernels import snap, worse

WEIGHT: Final = 0.05
"""The price difference that counts as much as one unit of power when a side of a bound is chosen; as in envs.market.exact.polish."""
_MAX_REFINEMENTS: Final = 20
_REFINED: Final = 1e-14  # residual relative to the right-hand side
_SOURCE: Final = stamp_of(Path(__file__).with_name(name) for name in ("active.py", "account.py", "factor.py", "kernels.py"))


@kept(stamp=_SOURCE, **LOOPS)
def adopted(lines, charge, prices, loose):
    """Return the response to prices, every variable where primal and dual together say that it belongs, and which are off their bounds.

    Args:
        lines: The program, :class:`.account.FlatArrays`.
        charge: γ, EUR/kWh.
        prices: y, dimensionless, shape (P,).
        loose: Renewable use and stored energy, dimensionless, shape (V − n_curved,).

    Returns:
        Variables and a mask, both of shape (V,).
    """
    x = np.zeros(lines.first.shape[0])
    slopes, free = slopes_at(lines, charge, x, prices), np.empty(x.shape[0], dtype=np.bool_)
    for k in range(x.shape[0]):
        low, high, wanted = lines.lower[k], lines.upper[k], -slopes[k]
        if k >= lines.n_curved:
            now = loose[k - lines.n_curved]
            wanted = now - slopes[k] / (lines.gain[k] * WEIGHT)
            x[k] = now
        else:
            x[k] = wanted
        free[k] = low < wanted < high
        if not free[k]:
            x[k] = low if wanted <= low else (min(high, wanted))  # what is no number stays none
    snap(lines.scale, lines.lower, lines.upper, x)
    return x, free


@njit(**LOOPS)
def _answer(lines, factor, prices):
    """Return K times prices, both of shape (P,), without the shift."""
    n_hours, n, n_owners = lines.shape
    answer, n_nodes = np.zeros(prices.shape[0]), n_hours * n
    for t in range(n_hours):
        for i in range(n):
            total = 0.0
            for j in range(n):
                total += factor.nodes[t, i, j] * prices[t * n + j]
            answer[t * n + i] = total
        for j in range(n_owners):
            at, store = lines.first[lines.moved[0, t * n_owners + j]], n_nodes + t * n_owners + j
            answer[at] += factor.across[t, j] * prices[store]
            answer[store] = factor.stores[t, j] * prices[store] + factor.across[t, j] * prices[at]
    return answer


@njit(**LOOPS)
def _greatest(factor, missing):
    """Return the greatest number missing, in balances and in the sum of each stretch, where prices may move; NaN where one is none."""
    n_hours, n, n_owners = factor.nodes.shape[0], factor.nodes.shape[1], factor.ends.shape[1]
    greatest, carried = 0.0, np.zeros(n_owners)
    for t in range(n_hours):
        for i in range(n):
            if not factor.level[t, i]:
                greatest = worse(greatest, abs(missing[t * n + i]))
        for j in range(n_owners):
            carried[j] += missing[n_hours * n + t * n_owners + j]
            if factor.ends[t, j]:
                if not factor.still[t, j]:
                    greatest = worse(greatest, abs(carried[j]))
                carried[j] = 0.0
    return greatest


@kept(stamp=_SOURCE, **LOOPS)
def prices_of(factor, balances):
    """Return the prices that answer to what balances gain, by the shifted matrix: good to some seven digits, shape (P,).

    Args:
        factor: The equations, a :class:`.factor.Factor`.
        balances: Of shape (T·N,).
    """
    right = np.zeros(balances.shape[0] + factor.stores.size)
    for node in range(balances.shape[0]):
        right[node] = balances[node]
    return solved(factor, right)


@kept(stamp=_SOURCE, **LOOPS)
def moved_along(lines, factor):
    """Return how variables and prices move with the charge.

    Args:
        lines: The program.
        factor: Its equations on the active set.

    Returns:
        Changes of the variables, shape (V,), and of the prices, shape (P,); and by what share of the right-hand side they are missed.
    """
    right = np.zeros(lines.right_hand_side.shape[0])
    for k in range(lines.n_curved):
        if factor.free[k]:
            right[lines.first[k]] -= lines.first_weight[k] * lines.charge_cost[k] / lines.unit
            right[lines.second[k]] -= lines.second_weight[k] * lines.charge_cost[k] / lines.unit
    prices, answer, missed = _refined(lines, factor, right)
    change = np.zeros(factor.free.shape[0])
    for k in range(lines.n_curved):
        if factor.free[k]:
            terms = lines.first_weight[k] * prices[lines.first[k]] + lines.second_weight[k] * prices[lines.second[k]]
            change[k] = -(lines.charge_cost[k] + terms)
    _move_loose(lines, factor, right, answer, change)
    return change, prices, missed


@njit(**LOOPS)
def _refined(lines, factor, right):
    """Return the prices of a right-hand side by the matrix without its shift, that matrix times them, and the share that is missed."""
    scale = 0.0
    for e in range(right.shape[0]):
        scale = worse(scale, abs(right[e]))
    prices = solved(factor, right)
    answer = _answer(lines, factor, prices)
    missed = _greatest(factor, right - answer)
    for _ in range(_MAX_REFINEMENTS):
        if missed <= _REFINED * scale:
            break
        closer = prices + solved(factor, right - answer)
        answer_closer = _answer(lines, factor, closer)
        error = _greatest(factor, right - answer_closer)
        if not error < missed:
            break
        halved = error <= 0.5 * missed
        prices, answer, missed = closer, answer_closer, error
        if not halved:
            break
    return prices, answer, missed / scale if scale > 0.0 else missed


@njit(**LOOPS)
def _move_loose(lines, factor, right, answer, change):
    """Write how free renewable use and stored energy move: they take up what prices that are tied leave of their equations."""
    n_hours, n, n_owners = lines.shape
    n_nodes, at_stored = n_hours * n, change.shape[0] - n_hours * n_owners
    for node in range(n_nodes):
        if factor.level[node // n, node % n]:
            change[lines.n_curved + node] = right[node] - answer[node]
    for j in range(n_owners):
        energy = 0.0
        for t in range(n_hours):
            store = t * n_owners + j
            energy += answer[n_nodes + store] - right[n_nodes + store]
            if not factor.free[at_stored + store]:
                energy = 0.0
            change[at_stored + store] = energy
