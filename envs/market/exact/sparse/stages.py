"""The compiled loops of one step: what happens between one solution of the normal equations and the next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ....community.day import Array
from ....machine_code import kept
from ..compiled.boxes import Boxes, advance_boxes, aim_boxes, correct_boxes, predict_boxes, weigh_boxes
from ..compiled.exact import NO_PAIRS, adopt_own, adopt_trades, certify, greatest_missing, sum_up
from ..compiled.linear_algebra import OPTIONS
from ..compiled.market_sums import gather, greatest, of_pairs, price_of, worse
from .stamp import SOURCE


class SparseState(NamedTuple):
    """Where the interior point stands.

    Attributes:
        own: The prosumers' own variables, connections among them, all of shape (T, V) flattened.
        trades: The E trades worth their charge, one period after the other.
        seller: Number of each trade's seller among the T·N nodal prices, shape (E,).
        buyer: Of its buyer, shape (E,).
        entry: Where its weight stands in the normal matrix, shape (E,).
        mu: Nodal prices, shape (T, N).
        sigma: Storage prices, shape (T, J).
    """

    own: Boxes
    trades: Boxes
    seller: NDArray[np.int64]
    buyer: NDArray[np.int64]
    entry: NDArray[np.int64]
    mu: Array
    sigma: Array


@kept(stamp=SOURCE, **OPTIONS)
def read_charges(program, charges):
    """Return the dimensionless charges of the pairs, shape (T, K), and whether all are valid."""
    return of_pairs(program, charges)


@kept(stamp=SOURCE, **OPTIONS)
def missing(program, state):
    """Return the greatest number missing in any balance or storage equation."""
    net, storage = _equations(program)
    _gather(program, state, state.own.v, state.trades.v, net, storage)
    return max(greatest(net), greatest(storage))


@kept(stamp=SOURCE, **OPTIONS)
def predict(program, state, pattern, shift, values, right):
    """Write the normal matrix to ``values`` and the right-hand side of the predictor; return the sum of the products."""
    _price(program, state, state.mu, state.sigma)
    products = weigh_boxes(state.own) + weigh_boxes(state.trades)
    _fill_own(program, state.own.w, pattern, shift, values)
    entry, seller, buyer, w, n = state.entry, state.seller, state.buyer, state.trades.w, program.sizes[1]
    of_node = np.zeros(state.mu.size)
    for e in range(len(w)):
        values[entry[e]] -= w[e]
        of_node[seller[e]] += w[e]
        of_node[buyer[e]] += w[e]
    for t in range(state.mu.shape[0]):
        for i in range(n):
            values[pattern.diagonal[t, i]] += of_node[t * n + i]
    net, storage = _equations(program)
    _gather(program, state, state.own.added, state.trades.added, net, storage)
    _right(net, storage, right)
    return products


@kept(stamp=SOURCE, **OPTIONS)
def aim(program, state, change, products, mean, back_off, right):
    """Take the predictor's solution, and write what the corrector adds to the right-hand side.

    Args:
        program: The day.
        state: Where the interior point stands.
        change: The predictor's solution, shape (T, N + J).
        products: Sum of the products.
        mean: Their mean.
        back_off: Share of the way to the nearest bound that a step takes.
        right: The right-hand side, which is changed.
    """
    d_mu, d_sigma = _split(program, change)
    _price(program, state, d_mu, d_sigma)
    worst, second = predict_boxes(state.own)
    worst_trade, second_trade = predict_boxes(state.trades)
    alpha = min(1.0, back_off / max(worst, worst_trade))
    after = products * (1.0 - alpha) - alpha * alpha * (second + second_trade)
    target = mean * (after / products) ** 3
    aim_boxes(state.own, target)
    aim_boxes(state.trades, target)
    net, storage = np.zeros(d_mu.shape), np.zeros(d_sigma.shape)
    _gather(program, state, state.own.added, state.trades.added, net, storage)
    more = np.empty(right.shape)
    _right(net, storage, more)
    for t in range(right.shape[0]):
        for i in range(right.shape[1]):
            right[t, i] += more[t, i]


@kept(stamp=SOURCE, **OPTIONS)
def advance(program, state, change, back_off):
    """Take the corrector's step; return its length."""
    d_mu, d_sigma = _split(program, change)
    _price(program, state, d_mu, d_sigma)
    alpha = min(1.0, back_off / max(correct_boxes(state.own), correct_boxes(state.trades)))
    advance_boxes(state.own, alpha)
    advance_boxes(state.trades, alpha)
    for t in range(d_mu.shape[0]):
        for i in range(d_mu.shape[1]):
            state.mu[t, i] += alpha * d_mu[t, i]
        for j in range(d_sigma.shape[1]):
            state.sigma[t, j] += alpha * d_sigma[t, j]
    return alpha


@kept(stamp=SOURCE, **OPTIONS)
def adopt(program, charge, point, first):
    """Put every variable where the prices say it belongs; return the greatest error, and whether any became free or ceased to be."""
    price = np.empty(point.own.shape)
    price_of(program, NO_PAIRS, point.mu, point.sigma, price)
    error, changed = 0.0, first
    for t in range(price.shape[0]):
        slope, own_changed = adopt_own(program, t, price, point.own, point.weight, point.still)
        trades_changed = adopt_trades(program, t, charge, point.mu, point.trade, point.free)
        error = worse(error, slope)
        changed |= own_changed or trades_changed
    net, storage = np.empty(point.mu.shape), np.empty(point.sigma.shape)
    sum_up(program, point.own, point.trade, net, storage)
    return worse(error, greatest_missing(program, net, storage)), changed


@kept(stamp=SOURCE, **OPTIONS)
def entries_of(free, edge_of, present):
    """Return which entries of a matrix free trades need, shape (T, U), and whether one of them is not present.

    Args:
        free: Which trades are free, shape (T, K).
        edge_of: Number of the undirected pair of each pair, shape (K,).
        present: Which entries there are, shape (T, U).
    """
    needed, missed = np.zeros(present.shape, dtype=np.bool_), False
    for t in range(free.shape[0]):
        for k in range(free.shape[1]):
            if free[t, k]:
                needed[t, edge_of[k]] = True
                missed |= not present[t, edge_of[k]]
    return needed, missed


@kept(stamp=SOURCE, **OPTIONS)
def newton(program, point, pattern, edge_of, shift, values, right):
    """Write the Newton matrix of polishing to ``values``, and its right-hand side."""
    net, storage = np.empty(point.mu.shape), np.empty(point.sigma.shape)
    sum_up(program, point.own, point.trade, net, storage)
    gather(program, NO_PAIRS, point.still, net, storage)
    _right(net, storage, right)
    _fill_own(program, point.weight.ravel(), pattern, shift, values)
    for t in range(point.free.shape[0]):
        for k in range(point.free.shape[1]):
            if point.free[t, k]:
                w = 1.0 / program.friction[k]
                values[pattern.edge[t, edge_of[k]]] -= w
                values[pattern.diagonal[t, program.seller[k]]] += w
                values[pattern.diagonal[t, program.buyer[k]]] += w


@kept(stamp=SOURCE, **OPTIONS)
def move(program, point, change, longest):
    """Take a Newton step of polishing: prices at most so far, stored energy and renewable use with them."""
    n_hours, n, n_owners, _ = program.sizes
    at_stored = 2 * n + 2 * n_owners
    d_mu, d_sigma = _split(program, change)
    price = np.empty(point.own.shape)
    price_of(program, NO_PAIRS, d_mu, d_sigma, price)
    for t in range(n_hours):
        for i in range(n):
            point.own[t, n + i] += point.still[t, n + i] - point.weight[t, n + i] * price[t, n + i]
            point.mu[t, i] += min(max(d_mu[t, i], -longest), longest)
        for j in range(n_owners):
            c = at_stored + j
            point.own[t, c] += point.still[t, c] - point.weight[t, c] * price[t, c]
            point.sigma[t, j] += min(max(d_sigma[t, j], -longest), longest)


@kept(stamp=SOURCE, **OPTIONS)
def prove(program, charge, own, trade, mu, sigma):
    """Return primal and dual residual, gap and value; see :func:`..compiled.exact.certify`."""
    return certify(program, charge, own, trade, mu, sigma)


@njit(**OPTIONS)
def _equations(program):
    """Return what the equations miss where nothing is done, balances (T, N) and storage equations (T, J)."""
    n_hours, n, n_owners, _ = program.sizes
    net, storage = np.zeros((n_hours, n)), np.zeros((n_hours, n_owners))
    for j in range(n_owners):
        storage[0, j] -= program.stored_start[j]
    return net, storage


@njit(**OPTIONS)
def _price(program, state, mu, sigma):
    """Write what prices, or their changes, add to the slope of every variable."""
    own, rise, seller, buyer, flat = state.own.price, state.trades.price, state.seller, state.buyer, mu.ravel()
    price_of(program, NO_PAIRS, mu, sigma, own.reshape((mu.shape[0], len(own) // mu.shape[0])))
    for e in range(len(rise)):
        rise[e] = flat[seller[e]] - flat[buyer[e]]


@njit(**OPTIONS)
def _gather(program, state, own, trades, net, storage):
    """Add what variables sum up to in the balances and the storage equations."""
    seller, buyer, flat = state.seller, state.buyer, net.ravel()
    gather(program, NO_PAIRS, own.reshape((net.shape[0], len(own) // net.shape[0])), net, storage)
    for e in range(len(trades)):
        flat[buyer[e]] += trades[e]
        flat[seller[e]] -= trades[e]


@njit(**OPTIONS)
def _fill_own(program, w, pattern, shift, values):
    """Write the weights of the prosumers' own variables, flattened, and the shift."""
    n_hours, n, n_owners, _ = program.sizes
    n_own, eta = len(w) // n_hours, program.eta
    at_charge, at_discharge, at_stored, at_import = 2 * n, 2 * n + n_owners, 2 * n + 2 * n_owners, 2 * n + 3 * n_owners
    values[:] = 0.0
    for t in range(n_hours):
        row, here = t * n_own, pattern.diagonal[t]
        for i in range(n):
            values[here[i]] += shift + w[row + i] + w[row + n + i] + w[row + at_import + i] + w[row + at_import + n + i]
        for j in range(n_owners):
            charge, discharge, stored = w[row + at_charge + j], w[row + at_discharge + j], w[row + at_stored + j]
            values[here[program.owner[j]]] += charge + discharge
            values[here[n + j]] += shift + eta[j] ** 2 * charge + discharge / eta[j] ** 2 + stored
            values[pattern.couple[t, j]] -= eta[j] * charge + discharge / eta[j]
            if t + 1 < n_hours:
                values[pattern.diagonal[t + 1, n + j]] += stored
                values[pattern.link[t, j]] -= stored


@njit(**OPTIONS)
def _right(net, storage, right):
    """Write the right-hand side, shape (T, N + J), that closes the balances and storage equations."""
    n = net.shape[1]
    for t in range(net.shape[0]):
        for i in range(n):
            right[t, i] = -net[t, i]
        for j in range(storage.shape[1]):
            right[t, n + j] = storage[t, j]


@njit(**OPTIONS)
def _split(program, change):
    """Return changes of nodal prices (T, N) and storage prices (T, J) of a solution (T, N + J)."""
    n_hours, n, n_owners, _ = program.sizes
    d_mu, d_sigma = np.empty((n_hours, n)), np.empty((n_hours, n_owners))
    for t in range(n_hours):
        for i in range(n):
            d_mu[t, i] = change[t, i]
        for j in range(n_owners):
            d_sigma[t, j] = change[t, n + j]
    return d_mu, d_sigma
