"""The interior point of many prosumers: that of :mod:`..compiled.interior_point`, with every cap counted and all periods in one matrix.

Trades that turn out not to be worth their charge are dropped on the way. Let a trade cost s more than it is worth: near the optimum its
multiplier is s, and the trade itself shrinks with the mean product m as m/s. One that is free keeps its flow f, and its multiplier falls as
m/f. Whether one was rightly dropped is for polishing and the certificate to see, which look at every pair.

Where most may trade with most, all but a few trades are dropped if charges count. So the method first takes the trades of each prosumer
that are charged least, and goes on until it knows prices roughly. Then it begins anew, with all trades that these prices make worth their
charge, or nearly so. Going on with these instead, each at the flow that the prices suggest, takes twice the steps: balances miss too much.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....community.day import Array
from ..compiled.boxes import Boxes
from ..compiled.program import Program
from .beginning import begin_own, begin_trades, worth_more
from .layout import IntArray, layout_of
from .matrix import Matrix
from .stages import SparseState, advance, aim, missing, predict

_BACK_OFF = 0.999  # share of the way to the nearest bound that a step takes
_SHIFT = 1e-10
_MAX_STEPS = 80
_BEGIN = 1e-2  # mean product of the trades at the start
_PARTNERS = 20  # pairs charged least that each prosumer begins with
_MANY = 60  # pairs that may trade for each prosumer from which on the method begins with few of them
_CHARGED = 0.1  # mean charge, in units of the greatest price, from which on it does: below, many trades are worth theirs
_ROUGHLY = 1e-3  # mean product at which prices are known roughly
_NEARLY = 1e4  # as _PRICED_OUT: how steep a trade may be for the method to begin anew with it
_PRICED_OUT = 1e4  # how many times its marginal friction the multiplier of a trade is that is dropped
_CLEAR = 1e-3  # mean product from which on trades are dropped
_WORTHWHILE = 0.5  # share of the trades that may be left for a new matrix to be made


class InteriorPoint:
    """The method on one day at one set of charges.

    Args:
        program: The day.
        charge: τ of the pairs, dimensionless, shape (T, K).
    """

    _state: SparseState
    _hour: IntArray  # of each trade that is left
    _pair: IntArray
    _matrix: Matrix
    _n_products: int
    _residual: float

    def __init__(self, program: Program, charge: Array) -> None:
        self._program, self._charge, self._layout = program, charge, layout_of(program)
        self.steps = 0
        worth = _worth_their_charge(program, charge)
        self._few = program.sizes[3] > _MANY * program.sizes[1] and float(charge.mean()) > _CHARGED
        if self._few:
            worth &= _charged_least(program, charge)
        self._begin(*np.nonzero(worth))

    @property
    def prices(self) -> tuple[Array, Array]:
        """Nodal prices (T, N) and storage prices (T, J)."""
        return self._state.mu, self._state.sigma

    @property
    def own(self) -> Array:
        """The prosumers' own variables, shape (T, V)."""
        values: Array = self._state.own.v.reshape(self._program.cost.shape)
        return values

    @property
    def matrix(self) -> Matrix:
        """The matrix of the trades that are left."""
        return self._matrix

    def reach(self, tolerance: float) -> bool:
        """Take steps until mean product and residual are within ``tolerance``; return whether they are."""
        if self._few:
            self._reach(_ROUGHLY)
            self._begin_anew()
        return self._reach(tolerance)

    def _reach(self, tolerance: float) -> bool:
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
            if mean <= _CLEAR and not self._few:
                self._drop()
        return False

    def _renew(self) -> None:
        """Make the matrix of the trades that are left."""
        state, layout = self._state, self._layout
        edge = layout.edge_of[self._pair]
        present = np.zeros((layout.sizes[0], layout.sizes[3]), dtype=np.bool_)
        present[self._hour, edge] = True
        self._matrix = Matrix(layout, present)
        self._state = state._replace(entry=self._matrix.pattern.edge[self._hour, edge])
        self._n_products = max(2 * int(state.own.free.sum() + state.trades.free.sum()), 1)

    def _drop(self) -> None:
        """Drop trades that are not worth their charge, where they are many."""
        trades = self._state.trades
        kept = trades.z_low < _PRICED_OUT * trades.q * trades.v
        if np.count_nonzero(kept) < _WORTHWHILE * len(kept):
            self._hour, self._pair = self._hour[kept], self._pair[kept]
            fewer = {name: getattr(self._state, name)[kept] for name in ("seller", "buyer", "entry")}
            self._state = self._state._replace(trades=Boxes(*(array[kept] for array in trades)), **fewer)
            self._renew()
            self._residual = max(self._residual, missing(self._program, self._state))

    def _begin_anew(self) -> None:
        """Begin anew with all trades that the prices reached make worth their charge, or nearly so."""
        self._few = False
        own, trades = self._state.own, self._state.trades
        products = sum(float((box.free * (box.z_low * box.below + box.z_high * box.above)).sum()) for box in (own, trades))
        chosen = worth_more(self._program, self._charge, self._state.mu, _NEARLY * products / self._n_products)
        self._begin(*chosen)

    def _begin(self, hour: IntArray, pair: IntArray) -> None:
        """Begin with some trades."""
        program = self._program
        self._hour, self._pair = hour, pair = np.ascontiguousarray(hour), np.ascontiguousarray(pair)
        mu, sigma = _first_prices(program)
        cost = np.hstack([program.eased, program.cost[:, program.sizes[1] :]])
        price = _own_price(program, mu, sigma)
        own = begin_own(*(array.ravel() for array in (program.curvature, cost, program.lower, program.upper, price)))
        trades, seller, buyer = begin_trades(program, self._charge, mu, hour, pair, _BEGIN)
        self._state = SparseState(own, trades, seller, buyer, pair, mu, sigma)
        self._renew()
        self._residual = max(missing(program, self._state), _dual_residual(own), _dual_residual(trades))


def _first_prices(program: Program) -> tuple[Array, Array]:
    """Return nodal prices (T, N) and storage prices (T, J) to begin with: what lies between import and export price."""
    n_hours, n, n_owners, _ = program.sizes
    at_import, at_export = 2 * n + 3 * n_owners, 3 * n + 3 * n_owners
    mu = 0.5 * (program.cost[:, at_import:at_export] - program.cost[:, at_export:])
    return np.ascontiguousarray(mu), np.tile(mu[:, program.owner].mean(axis=0), (n_hours, 1))


def _charged_least(program: Program, charge: Array) -> NDArray[np.bool_]:
    """Return which pairs are among those that one of the two is charged least for, on the mean of all hours, shape (K,)."""
    mean, chosen = charge.mean(axis=0), np.zeros(program.sizes[3], dtype=np.bool_)
    for whose in (program.seller, program.buyer):
        order = np.lexsort((mean, whose))
        first = np.searchsorted(whose[order], whose[order])
        chosen[order[np.arange(len(order)) - first < _PARTNERS]] = True
    return chosen


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
