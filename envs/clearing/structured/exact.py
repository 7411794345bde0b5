"""The last digits, in compiled loops: polishing and the certificate of :mod:`..polish` and :mod:`..point` in the layout of the kernel.

The Newton matrix of polishing is brought to the normal equations of :mod:`.linear_algebra`: a free variable with curvature q has weight
1/q, and stored energy and curtailment, which have none, are given a proximal curvature ``PROXIMAL`` around where they stand. At the
solution the proximal term is zero, so what is found is exact; a smaller one converges in fewer steps and loses more digits in each.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .interior_point import gather, price_of
from .linear_algebra import OPTIONS, factorise, solve

PROXIMAL = 1e-6
_SHIFT = 1e-9
_WEIGHT = 0.05  # as in ..polish
_CONVERGED = 1e-13
_AT_BOUND = 1e-11  # as in ..point


@njit(**OPTIONS)
def polish(sizes, seller, buyer, owner, eta, curvature, cost, lower, upper, stored_start, max_steps, v, mu, sigma):
    """Move a nearly optimal point to the exact optimum, in place.

    Args:
        sizes: (T, N, J, K), with the index arrays and data as in :func:`.interior_point.interior_point`; every cap counts here.
        max_steps: Newton steps after which the exchange is taken to cycle.
        v: Variables, shape (T, W); only stored energy and renewable use are read.
        mu: Nodal prices, shape (T, N).
        sigma: Storage prices, shape (T, J).

    Returns:
        Newton steps taken, and the residual of the equations that is left.
    """
    n_hours, n, n_owners, _ = sizes
    shape = v.shape
    price, weight, still = np.empty(shape), np.zeros(shape), np.zeros(shape)
    hour_factor, coupling = np.empty((n_hours, n, n)), np.empty((n_hours, n_owners, n))
    chain_factor, chain_link = np.empty((n_hours, n_owners, n_owners)), np.empty((n_hours, n_owners, n_owners))
    balance, storage = np.empty((n_hours, n)), np.empty((n_hours, n_owners))
    d_mu, d_sigma = np.empty((n_hours, n)), np.empty((n_hours, n_owners))
    best, stalled, error = np.inf, 0, np.inf
    kept_v, kept_mu, kept_sigma = v.copy(), mu.copy(), sigma.copy()
    step = 0
    while True:
        price_of(sizes, seller, buyer, owner, eta, mu, sigma, price)
        slope, changed = _adopt(curvature, cost, lower, upper, price, v, weight, still)
        gather(sizes, seller, buyer, owner, eta, v, balance, storage)
        for j in range(n_owners):
            storage[0, j] -= stored_start[j]
        error = _worse(slope, _worse(_greatest(balance), _greatest(storage)))
        stalled = 0 if error < 0.5 * best else stalled + 1
        if error < best:
            best = error
            kept_v[:], kept_mu[:], kept_sigma[:] = v, mu, sigma
        if error <= _CONVERGED or step >= max_steps or (stalled >= 3 and best < 1e-11) or not error < 1e6:
            break
        if (changed or step == 0) and not factorise(
            sizes, seller, buyer, owner, eta, weight, _SHIFT, hour_factor, coupling, chain_factor, chain_link
        ):
            break
        gather(sizes, seller, buyer, owner, eta, still, d_mu, d_sigma)
        for t in range(n_hours):
            for i in range(n):
                d_mu[t, i] = -balance[t, i] - d_mu[t, i]
            for j in range(n_owners):
                d_sigma[t, j] += storage[t, j]
        solve(sizes, hour_factor, coupling, chain_factor, chain_link, d_mu, d_sigma)
        price_of(sizes, seller, buyer, owner, eta, d_mu, d_sigma, price)
        for t in range(n_hours):
            for i in range(n, 2 * n):
                v[t, i] += still[t, i] - weight[t, i] * price[t, i]
            for i in range(4 * n + 2 * n_owners, 4 * n + 3 * n_owners):
                v[t, i] += still[t, i] - weight[t, i] * price[t, i]
            for i in range(n):
                mu[t, i] += d_mu[t, i]
            for j in range(n_owners):
                sigma[t, j] += d_sigma[t, j]
        step += 1
    v[:], mu[:], sigma[:] = kept_v, kept_mu, kept_sigma
    price_of(sizes, seller, buyer, owner, eta, mu, sigma, price)
    _adopt(curvature, cost, lower, upper, price, v, weight, still)
    return step, best


@njit(**OPTIONS)
def _adopt(curvature, cost, lower, upper, price, v, weight, still):
    """Put every variable where primal and dual say it belongs; return the greatest slope of a free one, and if any changed."""
    greatest, changed = 0.0, False
    for t in range(v.shape[0]):
        for i in range(v.shape[1]):
            low, high, slope = lower[t, i], upper[t, i], cost[t, i] + price[t, i]
            q = curvature[t, i]
            if q > 0.0:
                wish = -slope / q
                free = low < wish < high
                v[t, i] = min(max(wish, low), high)
                now = 1.0 / q if free else 0.0
            else:
                push = v[t, i] - slope / _WEIGHT
                free = low < push < high
                now = 0.0
                if free:
                    now = 1.0 / PROXIMAL
                    still[t, i] = -slope * now
                    greatest = max(greatest, abs(slope))
                else:
                    v[t, i] = low if push <= low else high
                    still[t, i] = 0.0
            changed |= now != weight[t, i]
            weight[t, i] = now
    return greatest, changed


@njit(**OPTIONS)
def certify(sizes, seller, buyer, owner, eta, curvature, cost, lower, upper, stored_start, v, mu, sigma):
    """Return primal residual, dual residual and gap of a point as :func:`..point.certify` defines them; the gap is not yet scaled."""
    n_hours, n, n_owners, _ = sizes
    slope, balance, storage = np.empty(v.shape), np.empty((n_hours, n)), np.empty((n_hours, n_owners))
    price_of(sizes, seller, buyer, owner, eta, mu, sigma, slope)
    gather(sizes, seller, buyer, owner, eta, v, balance, storage)
    gap, primal, dual = 0.0, 0.0, 0.0
    for t in range(n_hours):
        for i in range(n):
            gap += mu[t, i] * balance[t, i]
            primal = _worse(primal, abs(balance[t, i]))
        for j in range(n_owners):
            residual = storage[t, j] - (stored_start[j] if t == 0 else 0.0)
            gap -= sigma[t, j] * residual
            primal = _worse(primal, abs(residual))
        for i in range(v.shape[1]):
            low, high, value, q = lower[t, i], upper[t, i], v[t, i], curvature[t, i]
            g = slope[t, i] + cost[t, i] + q * value
            primal = _worse(primal, max(low - value, value - high))
            at_low, at_high = value <= low + _AT_BOUND, value >= high - _AT_BOUND
            wrong = abs(g)
            if at_low and at_high:
                wrong = 0.0
            elif at_low:
                wrong = max(-g, 0.0)
            elif at_high:
                wrong = max(g, 0.0)
            dual = _worse(dual, wrong)
            if q > 0.0:
                move = min(max(value - g / q, low), high) - value
            elif g > 0.0:
                move = low - value
            elif g < 0.0:
                move = high - value
            else:
                move = 0.0
            gap -= g * move + 0.5 * q * move * move
    return primal, dual, gap


@njit(**OPTIONS)
def _greatest(values):
    greatest = 0.0
    for t in range(values.shape[0]):
        for i in range(values.shape[1]):
            greatest = _worse(greatest, abs(values[t, i]))
    return greatest


@njit(**OPTIONS)
def _worse(a, b):
    """Return the greater, and NaN if either is: comparisons with NaN are false."""
    return a if a >= b else b
