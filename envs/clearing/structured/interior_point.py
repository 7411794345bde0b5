"""A primal-dual interior point on the market's own structure (Mehrotra's predictor and corrector), in compiled loops.

With bounds lo ≤ v ≤ hi and multipliers z_l, z_u ≥ 0 of them, a Newton step for slope g of the Lagrangian reads, for every variable,

    w·Δv = …      with w = 1/(q + z_l/(v − lo) + z_u/(hi − v)),      Δv = w·(−g + c_l − c_u − aᵀΔy),
    Δz_l = c_l − z_l − z_l·Δv/(v − lo),      Δz_u = c_u − z_u + z_u·Δv/(hi − v),

where aᵀy is what the prices y = (μ, σ) add to the slope, and c_l, c_u steer the products to their target (0 in the predictor). Putting Δv
into the balances leaves the normal equations of :mod:`.linear_algebra` in Δy. The method stops early: polishing needs a point near the
optimum, not a precise one. Fixed variables (lo = hi) have weight 0, and uncapped ones hi = ``UNCAPPED``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .linear_algebra import OPTIONS, factorise, solve

UNCAPPED = 1e30
_BACK_OFF = 0.995  # share of the way to the nearest bound that a step takes
_SHIFT = 1e-10
_MARGIN = 0.02  # least multiplier at the start, in units of the greatest price


@njit(**OPTIONS)
def price_of(sizes, seller, buyer, owner, eta, mu, sigma, out):
    """Write aᵀy, what the prices add to the slope of every variable, to ``out`` (T, W)."""
    n_hours, n, n_owners, n_pairs = sizes
    at_charge = 4 * n
    at_discharge, at_stored, at_trade = at_charge + n_owners, at_charge + 2 * n_owners, at_charge + 3 * n_owners
    for t in range(n_hours):
        row, price = out[t], mu[t]
        for i in range(n):
            row[i] = price[i]
            row[n + i] = -price[i]
            row[2 * n + i] = -price[i]
            row[3 * n + i] = price[i]
        for j in range(n_owners):
            own, stored = price[owner[j]], sigma[t, j]
            row[at_charge + j] = own - eta[j] * stored
            row[at_discharge + j] = stored / eta[j] - own
            row[at_stored + j] = stored - (sigma[t + 1, j] if t + 1 < n_hours else 0.0)
        for k in range(n_pairs):
            row[at_trade + k] = price[seller[k]] - price[buyer[k]]


@njit(**OPTIONS)
def gather(sizes, seller, buyer, owner, eta, v, balance, storage):
    """Write what the values ``v`` (T, W) add up to in the balances (T, N) and the storage equations (T, J), the start left out."""
    n_hours, n, n_owners, n_pairs = sizes
    at_charge = 4 * n
    at_discharge, at_stored, at_trade = at_charge + n_owners, at_charge + 2 * n_owners, at_charge + 3 * n_owners
    for t in range(n_hours):
        row, net = v[t], balance[t]
        for i in range(n):
            net[i] = row[n + i] + row[2 * n + i] - row[3 * n + i] - row[i]
        for j in range(n_owners):
            net[owner[j]] += row[at_discharge + j] - row[at_charge + j]
            before = v[t - 1, at_stored + j] if t > 0 else 0.0
            storage[t, j] = row[at_stored + j] - before - eta[j] * row[at_charge + j] + row[at_discharge + j] / eta[j]
        for k in range(n_pairs):
            traded = row[at_trade + k]
            net[buyer[k]] += traded
            net[seller[k]] -= traded


@njit(**OPTIONS)
def interior_point(sizes, seller, buyer, owner, eta, curvature, cost, lower, upper, stored_start, tolerance, max_steps, v, mu, sigma):
    """Solve the market to a moderate accuracy.

    Args:
        sizes: (T, N, J, K); the index arrays and ``eta`` are as in :func:`.linear_algebra.factorise`.
        curvature: q, shape (T, W).
        cost: Linear cost, shape (T, W).
        lower: lo, shape (T, W).
        upper: hi, shape (T, W).
        stored_start: Energy at the start, shape (J,).
        tolerance: Mean product and greatest residual to stop at.
        max_steps: Most steps.
        v: Receives the variables, shape (T, W).
        mu: Nodal prices; holds the start, receives the answer, shape (T, N).
        sigma: Storage prices, likewise, shape (T, J).

    Returns:
        Steps taken, negative where it broke down or did not arrive.
    """
    n_hours, n, n_owners, _ = sizes
    shape = v.shape
    z_low, z_high, slope, weight = np.zeros(shape), np.zeros(shape), np.empty(shape), np.zeros(shape)
    centre_low, centre_high, still, step = np.zeros(shape), np.zeros(shape), np.empty(shape), np.zeros(shape)
    hour_factor, coupling = np.empty((n_hours, n, n)), np.empty((n_hours, n_owners, n))
    chain_factor, chain_link = np.empty((n_hours, n_owners, n_owners)), np.empty((n_hours, n_owners, n_owners))
    balance, storage = np.empty((n_hours, n)), np.empty((n_hours, n_owners))
    d_mu, d_sigma = np.empty((n_hours, n)), np.empty((n_hours, n_owners))
    price_of(sizes, seller, buyer, owner, eta, mu, sigma, slope)
    _start(curvature, cost, lower, upper, v, z_low, z_high, slope)
    for count in range(max_steps):
        price_of(sizes, seller, buyer, owner, eta, mu, sigma, slope)
        gather(sizes, seller, buyer, owner, eta, v, balance, storage)
        for j in range(n_owners):
            storage[0, j] -= stored_start[j]
        products, n_products, dual = _weigh(curvature, cost, lower, upper, v, z_low, z_high, slope, weight)
        mean = products / n_products
        if mean <= tolerance and max(dual, _greatest(balance), _greatest(storage)) <= tolerance:
            return count
        if not factorise(sizes, seller, buyer, owner, eta, weight, _SHIFT, hour_factor, coupling, chain_factor, chain_link):
            return -count - 1
        for corrector in range(2):
            _stand_still(weight, slope, centre_low, centre_high, still)
            gather(sizes, seller, buyer, owner, eta, still, d_mu, d_sigma)
            for t in range(n_hours):
                for i in range(n):
                    d_mu[t, i] = -balance[t, i] - d_mu[t, i]
                for j in range(n_owners):
                    d_sigma[t, j] += storage[t, j]
            solve(sizes, hour_factor, coupling, chain_factor, chain_link, d_mu, d_sigma)
            price_of(sizes, seller, buyer, owner, eta, d_mu, d_sigma, step)
            alpha = _step(lower, upper, v, z_low, z_high, weight, centre_low, centre_high, still, step)
            if corrector == 0:
                after = _products_after(lower, upper, v, z_low, z_high, step, alpha)
                _aim(lower, upper, v, z_low, z_high, step, mean * (after / products) ** 3, centre_low, centre_high)
        _advance(lower, upper, v, z_low, z_high, centre_low, centre_high, step, alpha)
        for t in range(n_hours):
            for i in range(n):
                mu[t, i] += alpha * d_mu[t, i]
            for j in range(n_owners):
                sigma[t, j] += alpha * d_sigma[t, j]
    return -max_steps - 1


@njit(**OPTIONS)
def _greatest(values):
    greatest = 0.0
    for t in range(values.shape[0]):
        for i in range(values.shape[1]):
            greatest = max(greatest, abs(values[t, i]))
    return greatest


@njit(**OPTIONS)
def _start(curvature, cost, lower, upper, v, z_low, z_high, price):
    """Start centred: multipliers from the slope at the nearest bound, and variables where both products are alike."""
    for t in range(v.shape[0]):
        for i in range(v.shape[1]):
            low, width = lower[t, i], upper[t, i] - lower[t, i]
            if width <= 0.0:
                v[t, i] = low
                continue
            wish = -(cost[t, i] + price[t, i])
            wish = wish / curvature[t, i] if curvature[t, i] > 0.0 else low + 0.5 * width
            room = min(width, 1.0)
            inside = min(max(wish, low + 0.1 * room), upper[t, i] - 0.1 * room)
            slope = curvature[t, i] * inside + cost[t, i] + price[t, i]
            v[t, i] = inside
            z_low[t, i] = max(slope, 0.0) + _MARGIN
            if upper[t, i] < UNCAPPED:
                z_high[t, i] = max(-slope, 0.0) + _MARGIN


@njit(**OPTIONS)
def _weigh(curvature, cost, lower, upper, v, z_low, z_high, slope, weight):
    """Complete the slopes, write the weights, and return sum and number of the products and the greatest dual residual."""
    products, number, dual = 0.0, 0, 0.0
    for t in range(v.shape[0]):
        for i in range(v.shape[1]):
            below, above = v[t, i] - lower[t, i], upper[t, i] - v[t, i]
            if upper[t, i] <= lower[t, i]:
                weight[t, i] = 0.0
                continue
            full = slope[t, i] + curvature[t, i] * v[t, i] + cost[t, i]
            slope[t, i] = full
            stiffness = curvature[t, i] + z_low[t, i] / below
            products += z_low[t, i] * below
            number += 1
            if above < 0.5 * UNCAPPED:
                stiffness += z_high[t, i] / above
                products += z_high[t, i] * above
                number += 1
            weight[t, i] = 1.0 / stiffness
            dual = max(dual, abs(full - z_low[t, i] + z_high[t, i]))
    return products, max(number, 1), dual


@njit(**OPTIONS)
def _stand_still(weight, slope, centre_low, centre_high, still):
    """Write the step every variable would take if prices stood still."""
    for t in range(weight.shape[0]):
        for i in range(weight.shape[1]):
            still[t, i] = weight[t, i] * (centre_low[t, i] - centre_high[t, i] - slope[t, i])


@njit(**OPTIONS)
def _step(lower, upper, v, z_low, z_high, weight, centre_low, centre_high, still, step):
    """Turn the price changes in ``step`` into the variables' steps, and return the share of them that stays inside every bound."""
    worst = 1e-12  # greatest relative decrease of a slack or a multiplier
    for t in range(v.shape[0]):
        for i in range(v.shape[1]):
            if weight[t, i] == 0.0:
                step[t, i] = 0.0
                continue
            move = still[t, i] - weight[t, i] * step[t, i]
            step[t, i] = move
            relative = move / (v[t, i] - lower[t, i])
            worst = max(worst, -relative, 1.0 + relative - centre_low[t, i] / z_low[t, i])
            if upper[t, i] < UNCAPPED:
                relative = move / (upper[t, i] - v[t, i])
                worst = max(worst, relative, 1.0 - relative - centre_high[t, i] / z_high[t, i])
    return min(1.0, _BACK_OFF / worst)


@njit(**OPTIONS)
def _products_after(lower, upper, v, z_low, z_high, step, alpha):
    """Return the sum of products after a share ``alpha`` of the predictor's step."""
    total = 0.0
    for t in range(v.shape[0]):
        for i in range(v.shape[1]):
            if upper[t, i] <= lower[t, i]:
                continue
            move, below, above = step[t, i], v[t, i] - lower[t, i], upper[t, i] - v[t, i]
            total += (below + alpha * move) * z_low[t, i] * (1.0 - alpha * (1.0 + move / below))
            if above < 0.5 * UNCAPPED:
                total += (above - alpha * move) * z_high[t, i] * (1.0 - alpha * (1.0 - move / above))
    return total


@njit(**OPTIONS)
def _aim(lower, upper, v, z_low, z_high, step, target, centre_low, centre_high):
    """Write the corrector's centring terms: the target product less the predictor's second-order error, over the slack."""
    for t in range(v.shape[0]):
        for i in range(v.shape[1]):
            if upper[t, i] <= lower[t, i]:
                continue
            move, below, above = step[t, i], v[t, i] - lower[t, i], upper[t, i] - v[t, i]
            centre_low[t, i] = (target + move * z_low[t, i] * (1.0 + move / below)) / below
            if above < 0.5 * UNCAPPED:
                centre_high[t, i] = (target - move * z_high[t, i] * (1.0 - move / above)) / above


@njit(**OPTIONS)
def _advance(lower, upper, v, z_low, z_high, centre_low, centre_high, step, alpha):
    """Take the step, and clear the centring terms for the next predictor."""
    for t in range(v.shape[0]):
        for i in range(v.shape[1]):
            if upper[t, i] <= lower[t, i]:
                continue
            move, below, above = step[t, i], v[t, i] - lower[t, i], upper[t, i] - v[t, i]
            z_low[t, i] += alpha * (centre_low[t, i] - z_low[t, i] * (1.0 + move / below))
            if above < 0.5 * UNCAPPED:
                z_high[t, i] += alpha * (centre_high[t, i] - z_high[t, i] * (1.0 - move / above))
            v[t, i] += alpha * move
            centre_low[t, i] = 0.0
            centre_high[t, i] = 0.0
