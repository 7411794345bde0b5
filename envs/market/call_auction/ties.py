"""Which of several best matchings is taken.

Of several matchings that gain the same, the one is taken that pays the operator most; that is the limit from below of charges that
rise in proportion. Of those, the one that trades most (so that a bid that meets an ask with nothing between them is filled). Of those, the
one with the least friction ½·Σ ε_ij·p_ij², which is unique: sellers who ask the same share alike, whatever their numbers.

A first linear program finds x and y; they say which orders and pairs are free (at their margin) in every best matching. A second one, over
these, finds the most that the operator is paid, and a quadratic one, by Clarabel, the trades of least friction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import clarabel
import numpy as np
from scipy import sparse

from ...arrays import IntArray
from ...community.day import Array, Day
from ...errors import ClearingError
from .orders import Orders
from .pairs import TIED, Pairs

_VOLUME: Final = 1e-6  # what a kWh counts beside a price unit of charges, where the operator's revenue is tied too
_EXACT: Final = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
_CLARABEL: Final = 1e-11


@dataclass(frozen=True, eq=False, kw_only=True)
class BestMatchings:
    """All best matchings, in the units of the day.

    Attributes:
        pairs: The pairs that some best matching uses.
        least: What each trades at least, shape (pairs,).
        most: What each trades at most, shape (pairs,).
        least_total: What each period's prosumers sell in all at least, and then what they buy, shape (2·T·N,).
        most_total: The same at most.
    """

    pairs: Pairs
    least: Array
    most: Array
    least_total: Array
    most_total: Array


def best_matchings(orders: Orders, pairs: Pairs, x: Array, y: Array) -> BestMatchings:
    """Return all matchings that the multipliers x and y, both of shape (T, N), prove the best."""
    left = y[pairs.period, pairs.buyer] - x[pairs.period, pairs.seller] - pairs.charge
    possible = left >= -TIED
    free = pairs.chosen(possible)
    asks, bids = orders.ask_price - x[..., None], y[..., None] - orders.bid_price
    totals = []
    for limit in (-TIED, TIED):
        sold, bought = (orders.ask_kw * (asks < limit)).sum(axis=-1), (orders.bid_kw * (bids < limit)).sum(axis=-1)
        totals.append(np.concatenate([sold.ravel(), bought.ravel()]))
    return BestMatchings(
        pairs=free,
        least=np.where((left[possible] > TIED) & free.limited, free.cap, 0.0),
        most=free.cap,
        least_total=totals[0],
        most_total=totals[1],
    )


def of_least_friction(day: Day, best: BestMatchings) -> Array:
    """Return the trades of the pairs by the rules for ties, shape (pairs,), in units of the day.

    Raises:
        ClearingError: If a solver fails.
    """
    pairs = best.pairs
    if len(pairs) == 0:
        return np.zeros(0)
    t, n = day.n_periods, day.n_prosumers
    ends = sparse.vstack([pairs.incidence(pairs.seller, n, t), pairs.incidence(pairs.buyer, n, t)], format="csr")
    used = np.flatnonzero(np.diff(ends.indptr))
    ends, least, most = ends[used], best.least_total[used], best.most_total[used]
    weight = pairs.charge + _VOLUME
    bounds = np.column_stack([best.least, best.most])
    found = solve_linear(-weight, bounds, A_ub=sparse.vstack([ends, -ends], format="csc"), b_ub=np.concatenate([most, -least]))
    # What the multipliers say is at its bound in every matching that pays the most stays there; the rest is free.
    of_most, of_least = np.split(found.ineqlin.marginals, 2)
    program = _Program(
        curvature=pairs.friction / pairs.friction.max(),
        least=np.where(found.upper.marginals < -TIED, best.most, best.least),
        most=np.where(found.lower.marginals > TIED, best.least, best.most),
        rows=ends,
        least_total=np.where(of_most < -TIED, most, least),
        most_total=np.where(of_least < -TIED, least, most),
    )
    traded: Array = np.clip(program.solve(), best.least, best.most)
    total = ends @ traded  # no more may be sold than was offered, not by rounding either
    shrink = np.divide(most, total, out=np.ones_like(total), where=total > most)
    traded *= np.minimum(shrink[_row_of(ends, 0)], shrink[_row_of(ends, 1)])
    return np.where(traded > TIED, traded, 0.0)


def solve_linear(cost: Array, bounds: Array, **constraints: Any) -> Any:
    """Return SciPy's answer to a linear program by HiGHS, with multipliers.

    Args:
        cost: Shape (variables,).
        bounds: Least and most, shape (variables, 2).
        **constraints: As SciPy names them.

    Raises:
        ClearingError: If HiGHS fails.
    """
    from scipy.optimize import linprog  # noqa: PLC0415 - 0.1 s, which only those wait for who need it

    solve: Any = linprog  # whose stubs want the names of the constraints
    found = solve(cost, bounds=bounds, method="highs-ds", options=_EXACT, **constraints)
    if found.status != 0:
        raise ClearingError(f"HiGHS could not match the orders: {found.message}")
    return found


def _row_of(ends: sparse.csr_array, which: int) -> IntArray:
    """Return the first or the second of the two rows that each pair stands in."""
    rows: IntArray = np.asarray(ends.tocsc().indices.reshape(-1, 2)[:, which], dtype=np.intp)
    return rows


@dataclass(frozen=True, eq=False, kw_only=True)
class _Program:
    """Minimise ½·Σ curvature·p² with least ≤ p ≤ most, and with totals of p between two bounds."""

    curvature: Array
    least: Array
    most: Array
    rows: sparse.csr_array
    least_total: Array
    most_total: Array

    def solve(self) -> Array:
        """Return p, shape (pairs,)."""
        equal, unequal, right_equal, right = [], [], [], []
        identity = sparse.eye_array(len(self.curvature), format="csr")
        for rows, low, high in ((identity, self.least, self.most), (self.rows, self.least_total, self.most_total)):
            tight = high - low <= TIED
            equal.append(rows[tight])
            right_equal.append(high[tight])
            unequal += [rows[~tight], -rows[~tight]]
            right += [high[~tight], -low[~tight]]
        n_equal, n_unequal = (sum(part.shape[0] for part in parts) for parts in (equal, unequal))
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = _CLARABEL
        answer = clarabel.DefaultSolver(
            sparse.diags_array(self.curvature, format="csc"),
            np.zeros(len(self.curvature)),
            sparse.vstack([*equal, *unequal], format="csc"),
            np.concatenate([*right_equal, *right]),
            [clarabel.ZeroConeT(n_equal), clarabel.NonnegativeConeT(n_unequal)],
            settings,
        ).solve()
        if answer.status not in (clarabel.SolverStatus.Solved, clarabel.SolverStatus.AlmostSolved):
            raise ClearingError(f"Clarabel could not share the trades among tied orders: {answer.status}")
        return np.array(answer.x)
