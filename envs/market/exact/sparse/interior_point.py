"""The interior point of many prosumers: that of :mod:`..compiled.interior_point`, with every cap counted and all periods in one matrix.

Trades that turn out not to be worth their charge are dropped on the way. Let a trade cost s more than it is worth: near the optimum its
multiplier is s, and the trade itself shrinks with the mean product m as m/s. One that is free keeps its flow f, and its multiplier falls as
m/f. Whether one was rightly dropped is for polishing and the certificate to see, which look at every pair.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....community.day import Array
from ..compiled.boxes import Boxes
from ..compiled.program import Program
from .layout import layout_of
from .matrix import Matrix
from .stages import SparseState, advance, aim, begin, missing, predict

_BACK_OFF = 0.999  # share of the way to the nearest bound that a step takes
_SHIFT = 1e-10
_MAX_STEPS = 80
_PRICED_OUT = 1e4  # how many times its marginal friction the multiplier of a trade is that is dropped
_CLEAR = 1e-3  # mean product from which on trades are dropped
_WORTHWHILE = 0.5  # share of the trades that may be left for a new matrix to be made


class InteriorPoint:
    """The method on one day at one set of charges.

    Args:
        program: The day.
        charge: τ of the pairs, dimensionless, shape (T, K).
    """

    def __init__(self, program: Program, charge: Array) -> None:
        self._program, self._layout = program, layout_of(program)
        self.steps = 0
        self._state, self._pair = _start(program, charge)
        self._renew()
        self._residual = max(missing(program, self._state), _dual_residual(self._state.own), _dual_residual(self._state.trades))

    @property
    def prices(self) -> tuple[Array, Array]:
        """Nodal prices (T, N) and storage prices (T, J)."""
        return self._state.mu, self._state.sigma

    @property
    def own(self) -> Array:
        """The prosumers' own variables, shape (T, V)."""
        values: Array = self._state.own.v.reshape(self._program.cost.shape)
        return values

    def reach(self, tolerance: float) -> bool:
        """Take steps until mean product and residual are within ``tolerance``; return whether they are."""
        program = self._program
        right = np.empty(self._layout.place.shape)
        for _ in range(_MAX_STEPS):
            state, matrix = self._state, self._matrix
            products = predict(program, state, matrix.pattern, _SHIFT, matrix.values, right)
            mean = products / self._n_products
            if mean <= tolerance and self._residual <= tolerance:
                return True
            if not mean < 1e100 or not matrix.factorise():
                return False
            aim(program, state, matrix.solve(right), products, mean, _BACK_OFF, right)
            alpha = advance(program, state, matrix.solve(right), _BACK_OFF)
            self._residual *= 1.0 - alpha
            self.steps += 1
            if mean <= _CLEAR:
                self._drop()
        return False

    def _renew(self) -> None:
        """Make the matrix of the trades that are left."""
        state, layout = self._state, self._layout
        t, n, _, u = layout.sizes
        present = np.zeros((t, u), dtype=np.bool_)
        hour, edge = state.seller // n, layout.edge_of[self._pair]
        present[hour, edge] = True
        self._matrix = Matrix(layout, present)
        self._state = state._replace(entry=self._matrix.pattern.edge[hour, edge])
        self._n_products = max(2 * int(state.own.free.sum() + state.trades.free.sum()), 1)

    def _drop(self) -> None:
        """Drop trades that are not worth their charge, where they are many."""
        trades = self._state.trades
        kept = trades.z_low < _PRICED_OUT * trades.q * trades.v
        if np.count_nonzero(kept) < _WORTHWHILE * len(kept):
            self._pair = self._pair[kept]
            fewer = {name: getattr(self._state, name)[kept] for name in ("seller", "buyer", "entry")}
            self._state = self._state._replace(trades=Boxes(*(array[kept] for array in trades)), **fewer)
            self._renew()
            self._residual = max(self._residual, missing(self._program, self._state))


def _start(program: Program, charge: Array) -> tuple[SparseState, NDArray[np.int64]]:
    """Return a centred start, and the number of the pair of each of its trades."""
    n_hours, n, n_owners, _ = program.sizes
    at_import, at_export = 2 * n + 3 * n_owners, 3 * n + 3 * n_owners
    mu = 0.5 * (program.cost[:, at_import:at_export] - program.cost[:, at_export:])  # between import and export price
    sigma = np.tile(mu[:, program.owner].mean(axis=0), (n_hours, 1))
    cost = np.hstack([program.eased, program.cost[:, n:]])
    own = begin(*(array.ravel() for array in (program.curvature, cost, program.lower, program.upper, _own_price(program, mu, sigma))))
    hour, pair = np.nonzero(_worth_their_charge(program, charge))
    seller, buyer = hour * n + program.seller[pair], hour * n + program.buyer[pair]
    none = np.zeros(len(pair))
    rise = mu.ravel()[seller] - mu.ravel()[buyer]
    trades = begin(program.friction[pair], charge[hour, pair], none, program.cap[pair], rise)
    return SparseState(own, trades, seller, buyer, pair, np.ascontiguousarray(mu), sigma), pair


def _own_price(program: Program, mu: Array, sigma: Array) -> Array:
    """Return what prices add to the slope of the prosumers' own variables, shape (T, V)."""
    after = np.vstack([sigma[1:], np.zeros((1, sigma.shape[1]))])
    owner, eta = mu[:, program.owner], program.eta
    whole: Array = np.hstack([mu, -mu, owner - eta * sigma, sigma / eta - owner, sigma - after, -mu, mu])
    return whole


def _worth_their_charge(program: Program, charge: Array) -> NDArray[np.bool_]:
    """Return which trades may be worth their charge, shape (T, K).

    Bounds of prices are those of :func:`..compiled.edges.choose_edges`. But where partners are few, power may reach who has none through
    several others, and so may the cheapest offer.
    """
    n_hours, n, n_owners, _ = program.sizes
    at_import, at_export = 2 * n + 3 * n_owners, 3 * n + 3 * n_owners
    power = np.zeros(n)
    power[program.owner] = program.upper[0, 2 * n : 2 * n + n_owners]
    own = program.upper[:, n : 2 * n] + power
    cost, curvature = program.cost, program.curvature
    highest = cost[:, at_import:at_export] + curvature[:, at_import:at_export] * (program.upper[:, :n] + power)
    lowest = np.where(own > 0.0, -cost[:, at_export:] - curvature[:, at_export:] * own, np.inf)
    offer = np.full_like(lowest, np.inf)
    for t in range(n_hours):
        better = lowest[t].copy()
        while np.any(better < offer[t]):  # by ever more hands
            offer[t] = better
            np.minimum.at(better, program.buyer, offer[t, program.seller] + charge[t])
    worth: NDArray[np.bool_] = charge < highest[:, program.buyer] - offer[:, program.seller]
    return worth


def _dual_residual(boxes: Boxes) -> float:
    slope = boxes.q * boxes.v + boxes.cost + boxes.price - boxes.z_low + boxes.z_high
    return float(np.abs(slope[boxes.free > 0]).max(initial=0.0))
