"""The last digits, in compiled loops: polishing and the certificate of :mod:`..polish` and :mod:`..point` in the layout of the kernel.

The Newton matrix of polishing is brought to the normal equations of :mod:`.linear_algebra`: a free variable with curvature q has weight
1/q, and stored energy and curtailment, which have none, are given a proximal curvature ``PROXIMAL`` around where they stand. At the
solution the proximal term is zero, so what is found is exact; a smaller one converges in fewer steps and loses more digits in each.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .linear_algebra import ONCE, OPTIONS, blank_factors, eliminate_hour, factorise_chain, fold, remainder, solve
from .market_sums import copy_to, gather, price_of, weigh, worse

PROXIMAL = 1e-6
_SHIFT = 1e-9
_WEIGHT = 0.05  # as in ..polish
_LONGEST = 0.01  # as in ..polish
_CONVERGED = 1e-13
_AT_BOUND = 1e-11  # as in ..point
NO_PAIRS = np.empty(0, dtype=np.int64)  # trades stand apart here


@njit(**ONCE)
def polish(program, charge, max_steps, patience, own, trade, mu, sigma):
    """Move a nearly optimal point to the exact optimum, in place.

    Args:
        program: The day, a :class:`.program.Program`.
        charge: τ of the pairs, shape (T, K).
        max_steps: Newton steps after which the exchange is taken to cycle.
        patience: Steps without halving the error after which it is given up.
        own: The prosumers' own variables, shape (T, V); only stored energy and renewable use are read.
        trade: Receives the trades, shape (T, K).
        mu: Nodal prices, shape (T, N).
        sigma: Storage prices, shape (T, J).

    Returns:
        Newton steps taken.
    """
    n_hours, n, n_owners, n_pairs = program.sizes
    at_stored = 2 * n + 2 * n_owners
    price, still, weight = np.empty(own.shape), np.zeros(own.shape), np.zeros(own.shape)
    trade_free, factors = np.zeros((n_hours, n_pairs), dtype=np.bool_), blank_factors(program.sizes, False)
    net, storage = np.empty((n_hours, n)), np.empty((n_hours, n_owners))
    best, stalled, step = np.inf, 0, 0
    kept_own, kept_mu, kept_sigma = own.copy(), mu.copy(), sigma.copy()
    while True:
        price_of(program, NO_PAIRS, mu, sigma, price)
        error, fine, changed = 0.0, True, step == 0
        for t in range(n_hours):
            slope, own_changed = adopt_own(program, t, price, own, weight, still)
            trades_changed = adopt_trades(program, t, charge, mu, trade, trade_free)
            error = worse(error, slope)
            if own_changed or trades_changed or step == 0:
                changed = True
                matrix = factors.hour[t]
                matrix[:] = 0.0
                weigh_trades(program, t, trade_free, matrix)
                fold(matrix, n)
                weigh(program, NO_PAIRS, weight, matrix, t)
                fine &= eliminate_hour(matrix, n, n_owners, _SHIFT)
        sum_up(program, own, trade, net, storage)
        error = worse(error, greatest_missing(program, net, storage))
        stalled = 0 if error < 0.5 * best else stalled + 1
        if error < best:
            best = error
            copy_to(kept_own, own)
            copy_to(kept_mu, mu)
            copy_to(kept_sigma, sigma)
        arrived = error <= _CONVERGED or (stalled >= 3 and best < 1e-11)
        if arrived or step >= max_steps or stalled >= patience or not error < 1e6 or not fine:
            break
        if changed:
            for t in range(n_hours):
                remainder(factors.hour[t], n, factors.chain[t])
            if not factorise_chain(program, weight, factors):
                break
        gather(program, NO_PAIRS, still, net, storage)
        for t in range(n_hours):
            for i in range(n):
                net[t, i] *= -1.0
        solve(program, factors, net, storage)
        price_of(program, NO_PAIRS, net, storage, price)
        for t in range(n_hours):
            for i in range(n):
                own[t, n + i] += still[t, n + i] - weight[t, n + i] * price[t, n + i]
                mu[t, i] += min(max(net[t, i], -_LONGEST), _LONGEST)
            for j in range(n_owners):
                own[t, at_stored + j] += still[t, at_stored + j] - weight[t, at_stored + j] * price[t, at_stored + j]
                sigma[t, j] += min(max(storage[t, j], -_LONGEST), _LONGEST)
        step += 1
    copy_to(own, kept_own)
    copy_to(mu, kept_mu)
    copy_to(sigma, kept_sigma)
    price_of(program, NO_PAIRS, mu, sigma, price)
    for t in range(n_hours):
        adopt_own(program, t, price, own, weight, still)
        adopt_trades(program, t, charge, mu, trade, trade_free)
    return step


@njit(**OPTIONS)
def greatest_missing(program, net, storage):
    """Return the greatest number missing in a balance or a storage equation, over the size of the prosumer whose it is."""
    found = 0.0
    for t in range(net.shape[0]):
        for i in range(net.shape[1]):
            found = worse(found, abs(net[t, i]) / program.size[i])
        for j in range(storage.shape[1]):
            found = worse(found, abs(storage[t, j]) / program.size[program.owner[j]])
    return found


@njit(**OPTIONS)
def sum_up(program, own, trade, net, storage):
    """Write what is left of the balances and the storage equations."""
    net[:] = 0.0
    storage[:] = 0.0
    for j in range(storage.shape[1]):
        storage[0, j] -= program.stored_start[j]
    gather(program, NO_PAIRS, own, net, storage)
    for t in range(trade.shape[0]):
        for k in range(trade.shape[1]):
            if trade[t, k] != 0.0:
                net[t, program.buyer[k]] += trade[t, k]
                net[t, program.seller[k]] -= trade[t, k]


@njit(**OPTIONS)
def adopt_own(program, t, price, v, weight, still):
    """Put an hour's variables where primal and dual say they belong; return the greatest slope of a free one, and if any changed."""
    steepest, changed = 0.0, False
    for i in range(v.shape[1]):
        low, high, q = program.lower[t, i], program.upper[t, i], program.curvature[t, i]
        slope = program.cost[t, i] + price[t, i]
        if q > 0.0:
            wish = -slope / q
            now = 1.0 / q if low < wish < high else 0.0
            v[t, i] = min(max(wish, low), high)
        else:
            push = v[t, i] - slope / _WEIGHT
            now = 0.0
            if low < push < high:
                now = 1.0 / PROXIMAL
                still[t, i] = -slope * now
                steepest = worse(steepest, abs(slope))
            else:
                v[t, i] = low if push <= low else high
                still[t, i] = 0.0
        changed |= now != weight[t, i]
        weight[t, i] = now
    return steepest, changed


@njit(**OPTIONS)
def adopt_trades(program, t, charge, mu, trade, free):
    """Put an hour's trades where the prices say they belong; return whether any became free or ceased to be."""
    changed = False
    for k in range(trade.shape[1]):
        wish = (mu[t, program.buyer[k]] - mu[t, program.seller[k]] - charge[t, k]) / program.friction[k]
        now = 0.0 < wish < program.cap[k]
        trade[t, k] = min(max(wish, 0.0), program.cap[k])
        changed |= now != free[t, k]
        free[t, k] = now
    return changed


@njit(**OPTIONS)
def weigh_trades(program, t, free, matrix):
    """Put the negative weights of an hour's free trades where :func:`.linear_algebra.fold` reads them."""
    for k in range(free.shape[1]):
        if free[t, k]:
            matrix[program.seller[k], program.buyer[k]] = -1.0 / program.friction[k]


@njit(**ONCE)
def certify(program, charge, own, trade, mu, sigma):
    """Return primal and dual residual and gap of a point as :func:`..point.certify` defines them, and its value."""
    n_hours, n, n_owners, _ = program.sizes
    size = program.size
    net, storage, price = np.empty((n_hours, n)), np.empty((n_hours, n_owners)), np.empty(own.shape)
    sum_up(program, own, trade, net, storage)
    price_of(program, NO_PAIRS, mu, sigma, price)
    lost, primal, dual, value = np.zeros(n), greatest_missing(program, net, storage), 0.0, 0.0
    for t in range(n_hours):
        for i in range(own.shape[1]):
            q, cost, low, high, whose = (
                program.curvature[t, i],
                program.cost[t, i],
                program.lower[t, i],
                program.upper[t, i],
                program.holder[i],
            )
            outside, wrong, missed = _check(q, cost + price[t, i], low, high, own[t, i], _AT_BOUND * size[whose])
            primal, dual = worse(primal, outside / size[whose]), worse(dual, wrong)
            lost[whose] += missed
            value += own[t, i] * (cost + 0.5 * q * own[t, i])
        for k in range(trade.shape[1]):
            q, cost, i, j = program.friction[k], charge[t, k], program.seller[k], program.buyer[k]
            smaller = min(size[i], size[j])
            outside, wrong, missed = _check(q, cost + mu[t, i] - mu[t, j], 0.0, program.cap[k], trade[t, k], _AT_BOUND * smaller)
            primal, dual = worse(primal, outside / smaller), worse(dual, wrong)
            lost[i] += 0.5 * missed
            lost[j] += 0.5 * missed
            value += trade[t, k] * (cost + 0.5 * q * trade[t, k])
        for i in range(n):
            lost[i] += mu[t, i] * net[t, i]
        for j in range(n_owners):
            lost[program.owner[j]] -= sigma[t, j] * storage[t, j]
    gap = 0.0
    for i in range(n):
        relative = lost[i] / (n_hours * size[i])
        if abs(relative) > abs(gap) or np.isnan(relative):
            gap = relative
    return primal, dual, gap, value


@njit(**OPTIONS)
def _check(q, slope_at_zero, low, high, value, near):
    """Return a variable's distance from its bounds, its violation of stationarity and its part of the duality gap."""
    g = slope_at_zero + q * value
    at_low, at_high = value <= low + near, value >= high - near
    wrong = abs(g)
    if at_low and at_high:
        wrong = 0.0
    elif at_low:
        wrong = max(-g, 0.0)
    elif at_high:
        wrong = max(g, 0.0)
    if q > 0.0:
        move = min(max(value - g / q, low), high) - value
    elif g > 0.0:
        move = low - value
    elif g < 0.0:
        move = high - value
    else:
        move = 0.0
    return max(low - value, value - high), wrong, -(g + 0.5 * q * move) * move
