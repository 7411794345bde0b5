"""A primal-dual interior point on the market's own structure (Mehrotra's predictor and corrector), in compiled loops.

Putting the step of every variable (:mod:`.boxes`, :mod:`.edges`) into the balances leaves the normal equations of :mod:`.linear_algebra` in
the prices. The method stops early, because polishing needs a point near the optimum, not a precise one, and goes on from where it stopped
should that not have been near enough. As primal and dual take steps of the same length and every equation is linear, residuals shrink by
exactly what is left of each step and need not be looked at again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from ....community.day import Array
from ..market_data import IntArray
from .boxes import Boxes, advance_boxes, aim_boxes, correct_boxes, predict_boxes, start_boxes, weigh_boxes
from .edges import (
    Edges,
    advance_edges,
    aim_edges,
    choose_edges,
    correct_edges,
    gather_rise,
    predict_edges,
    scatter_edges,
    scatter_weights,
    start_edges,
    weigh_edges,
)
from .linear_algebra import ONCE, OPTIONS, Factors, blank_factors, eliminate_hour, factorise_chain, fold, remainder, solve, solve_chain
from .market_sums import copy_to, gather, greatest, price_of, weigh
from .side_by_side import backward_hours, eliminate_hours, fold_hours, forward_hours, suits

_BACK_OFF = 0.999  # share of the way to the nearest bound that a step takes
_SHIFT = 1e-10


class State(NamedTuple):
    """Where the method stands.

    Attributes:
        boxes: Variables between two bounds.
        pairs: The pairs whose trades are among them.
        edges: The others.
        n_products: How many products of slack and multiplier there are.
        mu: Nodal prices, shape (T, N + 1), the last being the backstop's 0.
        sigma: Storage prices, shape (T, J).
        residual: Greatest violation of an equation, shape (1,).
        factors: Work space of the factorisation.
    """

    boxes: Boxes
    pairs: IntArray
    edges: Edges
    n_products: int
    mu: Array
    sigma: Array
    residual: Array
    factors: Factors


@njit(**ONCE)
def start(program, charge, pairs, capped):
    """Return a centred start.

    Args:
        program: The day, a :class:`.program.Program`.
        charge: τ of the pairs, shape (T, K).
        pairs: Pairs whose caps count, only with ``capped``; all other trades are edges without caps, see :mod:`.edges`.
        capped: Whether the connections' limits count; otherwise the use of the backstop consists of edges, too.
    """
    n_hours, n, n_owners, _ = program.sizes
    mu, sigma = np.zeros((n_hours, n + 1)), np.empty((n_hours, n_owners))
    _start_prices(program, mu, sigma)
    q, cost, lower, upper = _boxed(program, charge, pairs, capped)
    price = np.empty(q.shape)
    price_of(program, pairs, mu, sigma, price)
    boxes = start_boxes(q.ravel(), cost.ravel(), lower.ravel(), upper.ravel(), price.ravel())
    edges = choose_edges(program, charge, pairs, capped)
    dual = start_edges(edges, mu.ravel())
    n_products = len(edges.flow)
    for free in boxes.free:
        n_products += 2 * int(free)
    net, storage = np.zeros((n_hours, n + 1)), np.zeros((n_hours, n_owners))
    for j in range(n_owners):
        storage[0, j] -= program.stored_start[j]
    gather(program, pairs, boxes.v.reshape(q.shape), net, storage)
    for e in range(len(edges.flow)):
        edges.added[e] = edges.flow[e]
    scatter_edges(edges, net.ravel())
    residual = np.empty(1)
    residual[0] = max(dual, greatest(net[:, :n]), greatest(storage[:, :n_owners]))
    return State(boxes, pairs, edges, max(n_products, 1), mu, sigma, residual, blank_factors(program.sizes, suits(program.sizes)))


@njit(**ONCE)
def advance(program, state, tolerance, max_steps):
    """Take steps until mean product and residual are within ``tolerance``.

    Returns:
        Steps taken, negative where it broke down or did not arrive.
    """
    n_hours, n, n_owners, _ = program.sizes
    boxes, pairs, edges, factors = state.boxes, state.pairs, state.edges, state.factors
    shape = (n_hours, len(boxes.v) // n_hours)
    price, w, added = boxes.price.reshape(shape), boxes.w.reshape(shape), boxes.added.reshape(shape)
    net, storage = np.empty((n_hours, n + 1)), np.empty((n_hours, n_owners))
    d_mu, d_sigma = np.zeros((n_hours, n + 1)), np.empty((n_hours, n_owners))
    net_flat, mu_flat, d_mu_flat = net.ravel(), state.mu.ravel(), d_mu.ravel()
    for count in range(max_steps):
        price_of(program, pairs, state.mu, state.sigma, price)
        gather_rise(edges, mu_flat)
        products = weigh_boxes(boxes) + weigh_edges(edges)
        mean = products / state.n_products
        if mean <= tolerance and state.residual[0] <= tolerance:
            return count
        if not mean < 1e100 or not _factorise(program, pairs, edges, w, factors):
            return -count - 1
        net[:] = 0.0
        storage[:] = 0.0
        for j in range(n_owners):
            storage[0, j] = -program.stored_start[j]
        gather(program, pairs, added, net, storage)
        scatter_edges(edges, net_flat)
        _solve(program, factors, net, storage, d_mu, d_sigma)
        price_of(program, pairs, d_mu, d_sigma, price)
        gather_rise(edges, d_mu_flat)
        worst, second = predict_boxes(boxes)
        worst_edge, second_edge = predict_edges(edges)
        alpha = min(1.0, _BACK_OFF / max(worst, worst_edge))
        after = products * (1.0 - alpha) - alpha * alpha * (second + second_edge)
        target = mean * (after / products) ** 3
        aim_boxes(boxes, target)
        aim_edges(edges, target)
        gather(program, pairs, added, net, storage)
        scatter_edges(edges, net_flat)
        _solve(program, factors, net, storage, d_mu, d_sigma)
        price_of(program, pairs, d_mu, d_sigma, price)
        gather_rise(edges, d_mu_flat)
        alpha = min(1.0, _BACK_OFF / max(correct_boxes(boxes), correct_edges(edges)))
        advance_boxes(boxes, alpha)
        advance_edges(edges, alpha)
        for t in range(n_hours):
            for i in range(n):
                state.mu[t, i] += alpha * d_mu[t, i]
            for j in range(n_owners):
                state.sigma[t, j] += alpha * d_sigma[t, j]
        state.residual[0] *= 1.0 - alpha
    return -max_steps - 1


@njit(**ONCE)
def _factorise(program, pairs, edges, w, factors):
    """Factorise the normal matrix; return whether every pivot was positive."""
    n_hours, n, n_owners, _ = program.sizes
    matrix, fine = factors.hour, True
    matrix[:] = 0.0
    scatter_weights(edges, matrix.ravel())
    if suits(program.sizes):
        fold_hours(matrix, n)
        for t in range(n_hours):
            weigh(program, pairs, w, matrix[:, :, t], t)
        fine = eliminate_hours(matrix, n, n_owners, _SHIFT)
        for t in range(n_hours):
            remainder(matrix[:, :, t], n, factors.chain[t])
    else:
        for t in range(n_hours):
            fold(matrix[t], n)
            whole = matrix[t, :, : n + n_owners]  # all of it, but of the kind of array that both are compiled for above
            weigh(program, pairs, w, whole, t)
            fine &= eliminate_hour(matrix[t], n, n_owners, _SHIFT)
            remainder(whole, n, factors.chain[t])
    return fine and factorise_chain(program, w, factors)


@njit(**OPTIONS)
def _solve(program, factors, net, storage, d_mu, d_sigma):
    """Solve for the price changes that close the balances ``net`` and storage equations ``storage``."""
    n_hours, n, n_owners, _ = program.sizes
    for t in range(n_hours):
        for j in range(n_owners):
            d_sigma[t, j] = storage[t, j]
    if suits(program.sizes):
        right = np.empty((n, n_hours))
        for t in range(n_hours):
            for i in range(n):
                right[i, t] = -net[t, i]
        forward_hours(factors.hour, n, n_owners, right, d_sigma)
        solve_chain(program, factors, d_sigma)
        backward_hours(factors.hour, n, n_owners, right, d_sigma)
        for t in range(n_hours):
            for i in range(n):
                d_mu[t, i] = right[i, t]
    else:
        for t in range(n_hours):
            for i in range(n):
                d_mu[t, i] = -net[t, i]
        solve(program, factors, d_mu, d_sigma)


@njit(**ONCE)
def _start_prices(program, mu, sigma):
    """Begin in the middle between import and export price, and value stored energy at the day's mean of that."""
    n_hours, n, n_owners, _ = program.sizes
    at_import = 2 * n + 3 * n_owners
    for t in range(n_hours):
        for i in range(n):
            mu[t, i] = 0.5 * (program.cost[t, at_import + i] - program.cost[t, at_import + n + i])
    for j in range(n_owners):
        sigma[:, j] = mu[:, program.owner[j]].mean()


@njit(**ONCE)
def _boxed(program, charge, pairs, capped):
    """Return curvature, cost and bounds of the variables between two bounds, each with shape (T, B)."""
    n_hours, n, n_owners, _ = program.sizes
    n_own = 4 * n + 3 * n_owners if capped else 2 * n + 3 * n_owners
    shape = (n_hours, n_own + len(pairs))
    q, cost, lower, upper = np.empty(shape), np.empty(shape), np.zeros(shape), np.empty(shape)
    copy_to(q, program.curvature)
    copy_to(cost, program.cost)
    copy_to(cost, program.eased)
    copy_to(lower, program.lower)
    copy_to(upper, program.upper)
    for t in range(n_hours):
        for b, k in enumerate(pairs):
            q[t, n_own + b], cost[t, n_own + b], upper[t, n_own + b] = program.friction[k], charge[t, k], program.cap[k]
    return q, cost, lower, upper


@njit(**ONCE)
def over_cap(program, state):
    """Return which pairs' trade as an edge exceeds its cap, shape (K,), and whether any edge does, the backstop's included."""
    _, n, n_owners, n_pairs = program.sizes
    edges, at_import = state.edges, 2 * n + 3 * n_owners
    over, exceeded = np.zeros(n_pairs, dtype=np.bool_), False
    for e in range(len(edges.flow)):
        hour, i, j = edges.seller[e] // (n + 1), edges.seller[e] % (n + 1), edges.buyer[e] % (n + 1)
        if i == n:
            exceeded |= edges.flow[e] > program.upper[hour, at_import + j]
        elif j == n:
            exceeded |= edges.flow[e] > program.upper[hour, at_import + n + i]
        else:
            above = edges.flow[e] > program.cap[edges.pair[e]]
            over[edges.pair[e]] |= above
            exceeded |= above
    return over, exceeded
