"""The compiled loops of the search along a charge: how far a piece reaches, what prices add up to, and what is wrong with a response."""

# Compiled functions take their arrays by position, and numba infers their types.
# ruff: noqa: PLR0917
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import numpy as np

from .....envs.machine_code import LOOPS, kept

_DRIFT = 1e-12  # as in envs.market.exact.derivatives.sensitivity: a change that is rounding
_NOISE = 5e-11  # the same as a share of the fastest change: solving for prices leaves as much where sun is curtailed at a price of zero
_NEAR = 1e-11  # dimensionless: closer to its bound than this a variable at the end of a piece sits on it


@kept(**LOOPS)
def reach_of(scale, lower, upper, free, x, slope, change, slope_change, low, high):
    """Return the least and the greatest step on which free variables stay in their box and held ones keep the sign of their slope.

    Changes that are rounding do not count: on a piece such a variable moves by at most that share of what the fastest one does, which stays
    in its box, and the ends of the piece are certified besides.
    """
    fastest = 0.0
    for k in range(x.shape[0]):
        fastest = max(fastest, abs(change[k]) / scale[k])
    for k in range(x.shape[0]):
        if not lower[k] < upper[k]:
            continue
        drift = _DRIFT * scale[k]
        if free[k]:
            speed, still = change[k], max(_DRIFT, _NOISE * fastest) * scale[k]
            if speed > still:
                high = min(high, max(upper[k] - x[k], 0.0) / speed)
                low = max(low, -max(x[k] - lower[k], 0.0) / speed)
            elif speed < -still:
                high = min(high, max(x[k] - lower[k], 0.0) / -speed)
                low = max(low, -max(upper[k] - x[k], 0.0) / -speed)
        else:
            at_lower = x[k] <= lower[k]
            speed = slope_change[k] if at_lower else -slope_change[k]
            margin = max(slope[k] if at_lower else -slope[k], 0.0)
            if speed > drift:
                low = max(low, -margin / speed)
            elif speed < -drift:
                high = min(high, margin / -speed)
    return min(low, 0.0), max(high, 0.0)


@kept(**LOOPS)
def snap(scale, lower, upper, x):
    """Put variables within rounding of a bound on it, in place."""
    for k in range(x.shape[0]):
        near = _NEAR * scale[k]
        if x[k] <= lower[k] + near:
            x[k] = lower[k]
        elif x[k] >= upper[k] - near:
            x[k] = upper[k]


@kept(**LOOPS)
def price_terms(first, second, first_weight, second_weight, prices):
    """Return −Aᵀy over the variables, each of which stands in at most two equations."""
    terms = np.empty(first.shape[0])
    for k in range(first.shape[0]):
        terms[k] = first_weight[k] * prices[first[k]] + second_weight[k] * prices[second[k]]
    return terms


@kept(**LOOPS)
def onto_equations(first, second, first_weight, second_weight, x, n_equations):
    """Return A·x over the equations."""
    moved = np.zeros(n_equations)
    for k in range(x.shape[0]):
        moved[first[k]] += first_weight[k] * x[k]
        moved[second[k]] += second_weight[k] * x[k]
    return moved


@kept(**LOOPS)
def violations(near, n_curved, much, gain, holder, other, n_prosumers, lower, upper, x, slope):
    """Return how far variables are outside their box, the greatest slope that should not be, and what a better response would save.

    Args:
        near: Share of ``much`` that counts as being on a bound.
        n_curved: How many variables, the first ones, are strictly convex.
        much: What is much of each variable, and ``gain`` what the unit of prices adds to its slope, shape (V,).
        gain: See there.
        holder: The prosumer whose variable it is, and ``other`` the one who shares it, the same where nobody does, shape (V,).
        other: See there.
        n_prosumers: N.
        lower: Bounds, and ``upper``, the variables ``x`` and their slopes ``slope``, shape (V,).
        upper: See there.
        x: See there.
        slope: See there.

    Returns:
        The first two dimensionless, the last in EUR by prosumer, shape (N,); see :func:`gridtoll.envs.market.exact.point.certify`.
    """
    outside, steepest, saved = 0.0, 0.0, np.zeros(n_prosumers)
    for k in range(x.shape[0]):
        low, high, s, saving = lower[k], upper[k], slope[k], 0.0
        outside = worse(outside, max(low - x[k], x[k] - high) / much[k])
        at_low, at_high = x[k] <= low + near * much[k], x[k] >= high - near * much[k]
        wrong = abs(s)
        if at_low and at_high:
            wrong = 0.0
        elif at_low:
            wrong = max(-s, 0.0)
        elif at_high:
            wrong = max(s, 0.0)
        steepest = worse(steepest, wrong / gain[k])
        if k < n_curved:
            step = min(max(x[k] - s, low), high) - x[k]
            saving = -(s * step + 0.5 * step * step)
        elif s != 0.0:
            saving = -s * ((low if s > 0.0 else high) - x[k])
        saved[holder[k]] += 0.5 * saving
        saved[other[k]] += 0.5 * saving
    return outside, steepest, saved


@kept(**LOOPS)
def worse(a, b):
    """Return the greater of two numbers, NaN where one is none."""
    return b if b > a or np.isnan(b) else a


@kept(**LOOPS)
def level_within_blocks(prices, moving_renewable, moving_stored):
    """Set prices to 0 where renewable use can move, and storage prices to one level wherever stored energy can, in place.

    Args:
        prices: (P,), nodal prices, then storage prices.
        moving_renewable: (T, N).
        moving_stored: (T, J), of the energy at the end of each period; where that of the last one can move the level is 0.
    """
    n_hours, n = moving_renewable.shape
    n_owners = moving_stored.shape[1]
    for t in range(n_hours):
        for i in range(n):
            if moving_renewable[t, i]:
                prices[t * n + i] = 0.0
    first = n_hours * n
    for j in range(n_owners):
        start = 0
        for t in range(n_hours):
            last = t == n_hours - 1
            if moving_stored[t, j] and not last:
                continue
            if moving_stored[t, j] or t > start:
                total = 0.0
                for hour in range(start, t + 1):
                    total += prices[first + hour * n_owners + j]
                level = 0.0 if moving_stored[t, j] else total / (t + 1 - start)
                for hour in range(start, t + 1):
                    prices[first + hour * n_owners + j] = level
            start = t + 1
