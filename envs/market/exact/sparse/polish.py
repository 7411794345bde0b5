"""The last digits for many prosumers: the polishing of :mod:`..compiled.exact`, with all periods in one sparse matrix of what is free."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....community.day import Array
from ..compiled.program import Program
from .layout import layout_of
from .matrix import Matrix
from .stages import adopt, entries_of, move, newton

_SHIFT = 1e-9  # these as in ..compiled.exact
_LONGEST = 0.01
_CONVERGED = 1e-13


class NearPoint(NamedTuple):
    """A point near the optimum, which polishing moves, and what is free at it.

    Attributes:
        own: The prosumers' own variables, shape (T, V).
        trade: Trades, shape (T, K).
        mu: Nodal prices, shape (T, N).
        sigma: Storage prices, shape (T, J).
        weight: 1/q of own variables that are free, shape (T, V).
        still: Their step if prices stood still, shape (T, V).
        free: Which trades are free, shape (T, K).
    """

    own: Array
    trade: Array
    mu: Array
    sigma: Array
    weight: Array
    still: Array
    free: NDArray[np.bool_]


def point_at(program: Program, own: Array, mu: Array, sigma: Array) -> NearPoint:
    """Return a point of its own at own variables (T, V), nodal prices (T, N) and storage prices (T, J)."""
    trades = (program.sizes[0], program.sizes[3])
    nothing = np.zeros(own.shape)
    return NearPoint(own.copy(), np.zeros(trades), mu.copy(), sigma.copy(), nothing, nothing.copy(), np.zeros(trades, dtype=np.bool_))


def polish(program: Program, charge: Array, point: NearPoint, *, max_steps: int, patience: int, matrix: Matrix | None = None) -> int:
    """Move a nearly optimal point to the exact optimum, in place.

    Args:
        program: The day.
        charge: τ of the pairs, shape (T, K).
        point: Where to begin, of which stored energy, renewable use and prices are read.
        max_steps: Newton steps after which the exchange is taken to cycle.
        patience: Steps without halving the error after which it is given up.
        matrix: One that may have room for all trades that are free; a new one is made where there is none.

    Returns:
        Newton steps taken.
    """
    layout = layout_of(program)
    nothing = np.zeros((layout.sizes[0], layout.sizes[3]), dtype=np.bool_)
    right = np.empty(layout.place.shape)
    best, stalled, step = np.inf, 0, 0
    moved = (point.own, point.mu, point.sigma)
    kept = [array.copy() for array in moved]
    while True:
        error, changed = adopt(program, charge, point, step == 0)
        stalled = 0 if error < 0.5 * best else stalled + 1
        if error < best:
            best = error
            kept = [array.copy() for array in moved]
        arrived = error <= _CONVERGED or (stalled >= 3 and best < 1e-11)
        if arrived or step >= max_steps or stalled >= patience or not error < 1e6:
            break
        if changed or matrix is None:
            needed, missed = entries_of(point.free, layout.edge_of, nothing if matrix is None else matrix.present)
            if matrix is None or missed:
                matrix = Matrix(layout, needed if matrix is None else needed | matrix.present)
        newton(program, point, matrix.pattern, layout.edge_of, _SHIFT, matrix.values, right)
        if changed and not matrix.factorise():
            break
        move(program, point, matrix.solve(right), _LONGEST)
        step += 1
    for array, best_one in zip(moved, kept, strict=True):
        array[...] = best_one
    adopt(program, charge, point, False)
    return step
